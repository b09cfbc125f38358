//! Files of anchors: what is written is read back, wherever its end is torn off.

use ledger::domain::anchor::{Anchor, AnchorFile, Position, parse};
use ledger::domain::chain::ChainHash;
use sha2::{Digest, Sha256};

use super::draw::Draw;

/// Stands in the place of the sum that an anchor comes to.
const SUM: &str = "SUM";

/// Anchors as text; or, behind a zero, values to make some of.
pub fn check(bytes: &[u8]) {
    if let Some(values) = bytes.strip_prefix(b"\0") {
        let mut draw = Draw::of(values);
        let anchors: Vec<Anchor> = (0..=draw.below(3)).map(|_| anchor(&mut draw)).collect();
        let text: String = anchors.iter().map(Anchor::text).collect();
        let whole = text.len();
        assert_eq!(parse(&text), Ok(AnchorFile { anchors, whole }), "{text:?}");
        check_torn(&text, draw.integer().unsigned_abs() as usize);
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        let text = with_sums(text);
        let Ok(file) = parse(&text) else { return };
        assert!(text.is_char_boundary(file.whole));
        // Numbers and names may be written in several ways.
        let again: String = file.anchors.iter().map(Anchor::text).collect();
        assert_eq!(
            parse(&again).map(|file| file.anchors),
            Ok(file.anchors),
            "{text:?} and {again:?}"
        );
        check_torn(&text[..file.whole], bytes.len());
    }
}

/// Cut off somewhere, a file still holds the anchors that are whole, and nothing else.
fn check_torn(text: &str, at: usize) {
    let at = at % (text.len() + 1);
    let Some(torn) = text.get(..at) else { return };
    let (all, left) = (parse(text).expect("it was read"), parse(torn));
    let left = left.unwrap_or_else(|error| panic!("{error}: {torn:?}"));
    assert!(all.anchors.starts_with(&left.anchors), "{torn:?}");
    assert!(left.whole <= at && text.starts_with(&torn[..left.whole]));
    let next = all.anchors.get(left.anchors.len()).map(Anchor::text);
    let rest = torn.len() - left.whole;
    assert!(
        next.is_none_or(|next| next.len() > rest || !text[left.whole..].starts_with(&next)),
        "a whole one is left out"
    );
}

fn anchor(draw: &mut Draw) -> Anchor {
    let position = |draw: &mut Draw| Position {
        user_id: draw.text(),
        currency: draw.currency().code().to_string(),
        seq: draw.integer() & i64::MAX,
        head: ChainHash::from_bytes([draw.byte(); 32]),
    };
    Anchor {
        at: draw.line().replace(' ', "T"),
        digest: ChainHash::from_bytes([draw.byte(); 32]).to_string(),
        entries: draw.integer().unsigned_abs(),
        positions: (0..draw.below(4)).map(|_| position(draw)).collect(),
    }
}

/// The text with each anchor's own sum, where its end asks for that.
fn with_sums(text: &str) -> String {
    let (mut told, mut begin) = (String::new(), 0);
    for line in text.split_inclusive('\n') {
        if line == format!("end {SUM}\n") {
            let sum = Sha256::digest(&told[begin..]);
            let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
            told.push_str(&format!("end {hex}\n"));
            begin = told.len();
        } else {
            told.push_str(line);
        }
    }
    told
}
