//! The `deliveries` table: how far each event has got with each channel, and the events of `outbox` as they are read.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow, Numbered};
use super::statement::{Statement, sql};
use crate::domain::account::AccountId;
use crate::domain::currency::CurrencyCode;
use crate::domain::delivery::{Delivery, DeliveryState, WrittenEvent};
use crate::domain::event::{EventId, EventKind};
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;

/// The columns of a [`WrittenEvent`], from `outbox o` and `accounts a`.
const EVENT: &str = "o.account_id, o.number, o.kind, o.payload, o.delivery_id, o.created_at, a.user_id, a.currency";

/// The columns of a [`Delivery`], from `deliveries d`.
const DELIVERY: &str = "d.channel, d.state, d.attempts, d.next_attempt_at, d.last_error, d.finished_at";

fn kind(name: &str) -> deserialize::Result<EventKind> {
    EventKind::parse(name).ok_or_else(|| format!("an event has the unknown kind {name}").into())
}

impl FromRow for WrittenEvent {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let id = EventId::from_row(columns)?;
        let kind = kind(&columns.text()?)?;
        let payload = columns.text()?;
        let delivery_id = columns.text()?;
        let created_at = Timestamp::from_micros(columns.int()?);
        let about = match (columns.optional_text()?, columns.optional_text()?) {
            (Some(user_id), Some(currency)) => Some((UserId::parse(&user_id)?, CurrencyCode::parse(&currency)?)),
            _ => None,
        };
        Ok(Self {
            id,
            kind,
            payload,
            delivery_id,
            created_at,
            about,
        })
    }
}

impl FromRow for Delivery {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            channel: columns.text()?,
            state: DeliveryState::parse(&columns.text()?).ok_or("a delivery has an unknown state")?,
            attempts: u32::try_from(columns.int()?)?,
            next_attempt_at: columns.optional_int()?.map(Timestamp::from_micros),
            last_error: columns.optional_text()?,
            finished_at: columns.optional_int()?.map(Timestamp::from_micros),
        })
    }
}

/// An event that has yet to be handed to the channels.
#[derive(Clone, Copy, Debug)]
pub struct Undistributed {
    pub id: EventId,
    pub kind: EventKind,
}

impl FromRow for Undistributed {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            id: EventId::from_row(columns)?,
            kind: kind(&columns.text()?)?,
        })
    }
}

/// Behind that account and number, in order.
pub fn events_undistributed(
    db: &mut Db,
    (account, number): (i64, i64),
    limit: i64,
) -> Result<Vec<Numbered<Undistributed>>, DbError> {
    let select = sql("SELECT account_id, number, account_id, number, kind FROM outbox \
         WHERE distributed_at IS NULL AND (account_id, number) > (?, ?) ORDER BY account_id, number LIMIT ?");
    db.rows(&select.bind(account).bind(number).bind(limit))
}

/// Makes out the deliveries of an event, due at once.
pub fn event_distribute(db: &mut Db, id: EventId, channels: &[&str], at: Timestamp) -> Result<(), DbError> {
    for channel in channels {
        let insert = sql(
            "INSERT INTO deliveries (account_id, number, channel, state, next_attempt_at) VALUES (?, ?, ?, 'pending', ?) \
             ON CONFLICT (account_id, number, channel) DO NOTHING",
        );
        db.execute(&of(insert, id).bind(*channel).bind(at.micros()))?;
    }
    let update = sql("UPDATE outbox SET distributed_at = ? WHERE account_id = ? AND number = ?").bind(at.micros());
    db.execute(&of(update, id)).map(|_| ())
}

fn of(statement: Statement<'_>, id: EventId) -> Statement<'_> {
    statement.bind(id.account.get()).bind(id.number)
}

/// An event and its delivery to one channel.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub event: WrittenEvent,
    pub delivery: Delivery,
}

impl FromRow for Outgoing {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            event: WrittenEvent::from_row(columns)?,
            delivery: Delivery::from_row(columns)?,
        })
    }
}

/// What a channel has yet to deliver, due or not, behind that account and number.
pub fn deliveries_pending(
    db: &mut Db,
    channel: &str,
    (account, number): (i64, i64),
    limit: i64,
) -> Result<Vec<Numbered<Outgoing>>, DbError> {
    let select = sql(format!(
        "SELECT d.account_id, d.number, {EVENT}, {DELIVERY} FROM deliveries d \
         JOIN outbox o ON o.account_id = d.account_id AND o.number = d.number \
         LEFT JOIN accounts a ON a.id = d.account_id \
         WHERE d.state = 'pending' AND d.channel = ? AND (d.account_id, d.number) > (?, ?) \
         ORDER BY d.account_id, d.number LIMIT ?"
    ));
    db.rows(&select.bind(channel).bind(account).bind(number).bind(limit))
}

/// Notes how an attempt has ended; `false` where somebody else has noted another.
pub fn delivery_move(db: &mut Db, id: EventId, before: &Delivery, after: &Delivery) -> Result<bool, DbError> {
    let update = sql(
        "UPDATE deliveries SET state = ?, attempts = ?, next_attempt_at = ?, last_error = ?, finished_at = ? \
         WHERE account_id = ? AND number = ? AND channel = ? AND state = ? AND attempts = ?",
    )
    .bind(after.state.name())
    .bind(i64::from(after.attempts))
    .bind(after.next_attempt_at.map(Timestamp::micros))
    .bind(after.last_error.as_deref())
    .bind(after.finished_at.map(Timestamp::micros));
    let update = of(update, id)
        .bind(before.channel.as_str())
        .bind(before.state.name())
        .bind(i64::from(before.attempts));
    Ok(db.execute(&update)? == 1)
}

/// Which deliveries a list shows.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub account: Option<AccountId>,
    pub state: Option<DeliveryState>,
    pub limit: i64,
}

/// An event and its delivery to a channel, if it was made out for any.
#[derive(Clone, Debug)]
pub struct Listed {
    pub event: WrittenEvent,
    pub is_distributed: bool,
    pub delivery: Option<Delivery>,
}

impl FromRow for Listed {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let event = WrittenEvent::from_row(columns)?;
        let is_distributed = columns.boolean()?;
        let is_made_out = columns.boolean()?;
        Ok(Self {
            event,
            is_distributed,
            delivery: if is_made_out {
                Some(Delivery::from_row(columns)?)
            } else {
                None
            },
        })
    }
}

/// Newest first. What has yet to be handed to the channels is pending.
pub fn deliveries_list(db: &mut Db, filter: &DeliveryFilter) -> Result<Vec<Listed>, DbError> {
    let state = match filter.state {
        None => "1 = 1",
        Some(DeliveryState::Pending) => "(d.state = 'pending' OR o.distributed_at IS NULL)",
        Some(DeliveryState::Delivered) => "d.state = 'delivered'",
        Some(DeliveryState::Dead) => "d.state = 'dead'",
    };
    let list = sql(format!(
        "SELECT {EVENT}, o.distributed_at IS NOT NULL, d.channel IS NOT NULL, {DELIVERY} FROM outbox o \
         LEFT JOIN deliveries d ON d.account_id = o.account_id AND d.number = o.number \
         LEFT JOIN accounts a ON a.id = o.account_id WHERE {state}"
    ));
    let list = list.given("o.account_id = ?", filter.account.map(AccountId::get));
    let newest = "o.created_at DESC, o.account_id DESC, o.number DESC, d.channel";
    db.rows(&list.first(newest, filter.limit))
}

/// The deliveries of one event, by channel; `None` where there is no such event.
pub fn deliveries_of(db: &mut Db, id: EventId) -> Result<Option<Vec<Delivery>>, DbError> {
    let event: Option<i64> = db.row(&of(
        sql("SELECT number FROM outbox WHERE account_id = ? AND number = ?"),
        id,
    ))?;
    if event.is_none() {
        return Ok(None);
    }
    let select = format!("SELECT {DELIVERY} FROM deliveries d WHERE account_id = ? AND number = ? ORDER BY channel");
    db.rows(&of(sql(select), id)).map(Some)
}

/// Which deliveries are made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// All of one event, delivered or not.
    Of(EventId),
    /// Whatever was given up.
    Dead,
}

/// Lets deliveries begin anew, due at once; how many.
pub fn deliveries_again(db: &mut Db, which: Again, at: Timestamp) -> Result<usize, DbError> {
    let update =
        "UPDATE deliveries SET state = 'pending', attempts = 0, next_attempt_at = ?, finished_at = NULL WHERE ";
    match which {
        Again::Of(id) => {
            let update = sql(format!("{update} account_id = ? AND number = ?")).bind(at.micros());
            db.execute(&of(update, id))
        }
        Again::Dead => db.execute(&sql(format!("{update} state = 'dead'")).bind(at.micros())),
    }
}

/// How many deliveries, and events without any yet, are still to be made; how many were given up.
pub fn deliveries_count(db: &mut Db) -> Result<(i64, i64), DbError> {
    let count = |db: &mut Db, text: &'static str| -> Result<i64, DbError> { Ok(db.row(&sql(text))?.unwrap_or(0)) };
    let pending = count(db, "SELECT COUNT(*) FROM deliveries WHERE state = 'pending'")?;
    let waiting = count(db, "SELECT COUNT(*) FROM outbox WHERE distributed_at IS NULL")?;
    let dead = count(db, "SELECT COUNT(*) FROM deliveries WHERE state = 'dead'")?;
    Ok((pending + waiting, dead))
}

/// Events from before that moment, behind that account and number, that nobody waits for any more.
///
/// The newest of an account stays: the next one gets the number after it.
pub fn events_prunable(
    db: &mut Db,
    before: Timestamp,
    (account, number): (i64, i64),
    limit: i64,
) -> Result<Vec<EventId>, DbError> {
    let select = sql(
        "SELECT o.account_id, o.number FROM outbox o WHERE o.distributed_at IS NOT NULL AND o.created_at < ? \
         AND (o.account_id, o.number) > (?, ?) \
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.account_id = o.account_id AND d.number = o.number \
         AND d.state <> 'delivered') \
         AND EXISTS (SELECT 1 FROM outbox n WHERE n.account_id = o.account_id AND n.number > o.number) \
         ORDER BY o.account_id, o.number LIMIT ?",
    );
    db.rows(&select.bind(before.micros()).bind(account).bind(number).bind(limit))
}

/// Forgets an event that was told to everybody who wanted it; `false` where somebody has asked for it again meanwhile.
pub fn event_prune(db: &mut Db, id: EventId) -> Result<bool, DbError> {
    let delivered = sql("DELETE FROM deliveries WHERE account_id = ? AND number = ? AND state = 'delivered'");
    db.execute(&of(delivered, id))?;
    let event = sql("DELETE FROM outbox WHERE account_id = ? AND number = ? AND NOT EXISTS \
         (SELECT 1 FROM deliveries d WHERE d.account_id = outbox.account_id AND d.number = outbox.number)");
    Ok(db.execute(&of(event, id))? == 1)
}
