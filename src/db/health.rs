//! The `health_findings` view: the one definition of what `ledger health` reports.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::account::AccountId;
use crate::domain::alert::Severity;
use crate::domain::currency::CurrencyCode;
use crate::domain::money::Minor;
use crate::domain::text::UserId;

/// A figure that cannot be as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthFinding {
    pub account: AccountId,
    pub user_id: UserId,
    pub currency: CurrencyCode,
    pub severity: Severity,
    /// `negative_balance`, `held_differs` ...
    pub name: String,
    pub stored: Minor,
    pub expected: Minor,
}

impl FromRow for HealthFinding {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            account: AccountId::new(columns.int()?),
            user_id: UserId::parse(&columns.text()?)?,
            currency: CurrencyCode::parse(&columns.text()?)?,
            severity: Severity::parse(&columns.text()?).ok_or("a finding has an unknown severity")?,
            name: columns.text()?,
            stored: Minor::new(columns.int()?),
            expected: Minor::new(columns.int()?),
        })
    }
}

pub fn health_findings(db: &mut Db) -> Result<Vec<HealthFinding>, DbError> {
    db.rows(&sql(
        "SELECT account_id, user_id, currency, severity, finding, stored, expected FROM health_findings \
         ORDER BY account_id, severity, finding",
    ))
}
