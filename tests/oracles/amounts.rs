//! Amounts: the same texts are taken, as the same units, as by [`decimal`], and are shown and read back.

use ledger::domain::currency::Currency;
use ledger::domain::money::{Amount, AmountError, Minor, Shown, SignedAmount};
use ledger::domain::worth::PerCredit;

use super::decimal::{self, Decimal};
use super::draw::Draw;

/// A byte for the currency's digits, then the text; eight bytes more for a figure to show.
pub fn check(bytes: &[u8]) {
    let mut draw = Draw::of(bytes);
    let currency = draw.currency();
    if let Some(text) = draw.rest() {
        check_text(text, &currency);
    }
    check_figure(draw.integer(), &currency);
}

fn check_text(text: &str, currency: &Currency) {
    let expected = decimal::read(text, currency.exponent());
    let positive = judged(Amount::parse(text, currency).map(Amount::minor));
    let without_zero = |judged| {
        if judged == Ok(Decimal::Units(0)) {
            Err(())
        } else {
            judged
        }
    };
    assert_eq!(
        positive,
        without_zero(Ok(expected)),
        "an amount {text:?} of {currency:?}"
    );

    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let signed = match decimal::read(digits, currency.exponent()) {
        Decimal::Units(units) => Decimal::Units(sign * units),
        wrong => wrong,
    };
    let told = judged(SignedAmount::parse(text, currency).map(SignedAmount::minor));
    assert_eq!(
        told,
        without_zero(Ok(signed)),
        "a signed amount {text:?} of {currency:?}"
    );
    let figure = if text.starts_with('+') {
        Decimal::Malformed
    } else {
        signed
    };
    assert_eq!(
        judged(Minor::parse(text, currency)),
        Ok(figure),
        "a figure {text:?} of {currency:?}"
    );

    // A rate may have more digits than an amount, and no other shape.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !text.starts_with('.');
    assert!(plain || PerCredit::parse(text).is_none(), "a rate {text:?}");
}

/// Zero is told by nothing, as an error that has no class of its own.
fn judged(read: Result<Minor, AmountError>) -> Result<Decimal, ()> {
    match read {
        Ok(minor) => Ok(Decimal::Units(minor.get())),
        Err(AmountError::Zero) => Err(()),
        Err(AmountError::Malformed) => Ok(Decimal::Malformed),
        Err(AmountError::TooManyDecimals { .. }) => Ok(Decimal::TooManyDecimals),
        Err(AmountError::OutOfRange) => Ok(Decimal::TooLarge),
    }
}

fn check_figure(units: i64, currency: &Currency) {
    let shown = currency.show(Minor::new(units)).to_string();
    assert_eq!(shown, decimal::shown(units, currency.exponent()));
    assert_eq!(shown, Shown::wide(units.into(), currency.exponent()).to_string());
    // What is below every figure has no positive counterpart.
    if units != i64::MIN {
        assert_eq!(Minor::parse(&shown, currency), Ok(Minor::new(units)), "{shown}");
    }
}
