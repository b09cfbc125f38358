//! A cached SQL statement that both engines run, and the rows it returns.
//!
//! diesel's `sql_query` is prepared anew at every call; a [`Statement`] is prepared once per
//! connection. Its text is written with `?` for each value, in the order of the binds.

use std::borrow::Cow;
use std::marker::PhantomData;

use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::row::{Field, Row};
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, BigInt, Binary, Bool, HasSqlType, Nullable, Text, Untyped};
use diesel::sqlite::Sqlite;

use crate::domain::account::AccountId;

/// A value to be sent apart from the SQL text.
#[derive(Clone, Debug)]
pub enum Bind<'a> {
    Int(Option<i64>),
    Text(Option<&'a str>),
    Bytes(&'a [u8]),
    Bool(bool),
    /// A whole column of values; PostgreSQL alone has these.
    Column(Column<'a>),
}

/// Many values of one type, for `unnest`.
#[derive(Clone, Debug)]
pub enum Column<'a> {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<&'a str>>),
    Bytes(Vec<&'a [u8]>),
}

impl<'a> Column<'a> {
    pub fn ints<T>(of: &'a [T], value: impl Fn(&'a T) -> Option<i64>) -> Self {
        Self::Ints(of.iter().map(value).collect())
    }

    pub fn texts<T>(of: &'a [T], value: impl Fn(&'a T) -> Option<&'a str>) -> Self {
        Self::Texts(of.iter().map(value).collect())
    }
}

impl<'a> From<Column<'a>> for Bind<'a> {
    fn from(column: Column<'a>) -> Self {
        Self::Column(column)
    }
}

impl From<i64> for Bind<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Bind<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(value))
    }
}

impl<'a> From<Option<&'a str>> for Bind<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8; 32]> for Bind<'a> {
    fn from(value: &'a [u8; 32]) -> Self {
        Self::Bytes(value)
    }
}

impl From<bool> for Bind<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// Takes the values of a row, one after the other: for the placeholders of a statement, or as a line of COPY.
pub trait Binds<'a>: Sized {
    #[must_use]
    fn int(self, value: impl Into<Option<i64>>) -> Self;
    #[must_use]
    fn text(self, value: impl Into<Option<&'a str>>) -> Self;
    #[must_use]
    fn bytes(self, value: &'a [u8; 32]) -> Self;
}

impl<'a, K> Binds<'a> for Statement<'a, K> {
    fn int(self, value: impl Into<Option<i64>>) -> Self {
        self.bind(value.into())
    }

    fn text(self, value: impl Into<Option<&'a str>>) -> Self {
        self.bind(value.into())
    }

    fn bytes(self, value: &'a [u8; 32]) -> Self {
        self.bind(value)
    }
}

/// SQL text and its values.
#[derive(Clone, Debug)]
pub struct Statement<'a, K = AdHoc> {
    text: SqlText,
    binds: Vec<Bind<'a>>,
    kind: PhantomData<K>,
}

#[derive(Clone, Debug)]
enum SqlText {
    Whole(Cow<'static, str>),
    /// Already parted where the values go.
    Pieces(&'static [String]),
}

/// How the cache of prepared statements finds one again.
pub trait Kind: 'static {
    const HAS_ONE_TEXT: bool;
}

/// By its text.
#[derive(Clone, Copy, Debug)]
pub struct AdHoc;

impl Kind for AdHoc {
    const HAS_ONE_TEXT: bool = false;
}

/// By its type, without a look at the text: for what is run for every operation. See [`known_statement!`].
pub trait Known: 'static {
    fn pieces() -> &'static [String];
}

impl<K: Known> Kind for K {
    const HAS_ONE_TEXT: bool = true;
}

/// Declares the type of a statement that has only ever this text.
macro_rules! known_statement {
    ($name:ident, $text:expr) => {
        struct $name;

        impl $crate::db::statement::Known for $name {
            fn pieces() -> &'static [String] {
                static PIECES: std::sync::LazyLock<Vec<String>> =
                    std::sync::LazyLock::new(|| $text.split('?').map(str::to_owned).collect());
                &PIECES
            }
        }
    };
}
pub(super) use known_statement;

/// A statement of that text, values still to be bound.
pub fn sql<'a>(text: impl Into<Cow<'static, str>>) -> Statement<'a> {
    Statement::of(SqlText::Whole(text.into()))
}

/// A statement on the accounts with ids in `first..=last`, wherever its text says `BETWEEN ? AND ?`; it has no other
/// values.
///
/// Of one account it says so: a cluster then asks the one server that has it, and needs no other.
pub fn sql_of_accounts<'a>(text: &str, (first, last): (i64, i64)) -> Statement<'a> {
    const RANGE: &str = "BETWEEN ? AND ?";
    let places = text.matches(RANGE).count();
    if first == last {
        return (0..places).fold(sql(text.replace(RANGE, "= ?")), |statement, _| statement.bind(first));
    }
    (0..places).fold(sql(text.to_owned()), |statement, _| statement.bind(first).bind(last))
}

/// The same as a condition behind a column, for a statement without values.
pub fn in_accounts((first, last): (i64, i64)) -> String {
    if first == last {
        format!("= {first}")
    } else {
        format!("BETWEEN {first} AND {last}")
    }
}

/// The statement of that type, values still to be bound.
pub fn known<'a, K: Known>() -> Statement<'a, K> {
    Statement::of(SqlText::Pieces(K::pieces()))
}

/// For lists: what is left out of one is neither in its text nor among its values.
impl<'a> Statement<'a> {
    /// A condition more, behind those there are.
    #[must_use]
    pub fn and(self, condition: &str, value: impl Into<Bind<'a>>) -> Self {
        self.then(" AND ").then(condition).bind(value)
    }

    /// The same, if there is a value to ask for.
    #[must_use]
    pub fn given(self, condition: &str, value: Option<impl Into<Bind<'a>>>) -> Self {
        match value {
            Some(value) => self.and(condition, value),
            None => self,
        }
    }

    /// The first rows alone in that order.
    #[must_use]
    pub fn first(self, order: &str, limit: i64) -> Self {
        self.then(" ORDER BY ").then(order).then(" LIMIT ?").bind(limit)
    }

    fn then(mut self, text: &str) -> Self {
        // What is known by its type has its whole text, and none of these functions.
        if let SqlText::Whole(whole) = &mut self.text {
            whole.to_mut().push_str(text);
        }
        self
    }
}

impl<'a, K> Statement<'a, K> {
    fn of(text: SqlText) -> Self {
        Self {
            text,
            binds: Vec::with_capacity(24),
            kind: PhantomData,
        }
    }

    #[must_use]
    pub fn bind(mut self, value: impl Into<Bind<'a>>) -> Self {
        self.binds.push(value.into());
        self
    }

    /// Writes the text with its values in between.
    fn walk<'b, DB>(&'b self, out: &mut AstPass<'_, 'b, DB>, pieces: impl Iterator<Item = &'b str>) -> QueryResult<()>
    where
        Bind<'a>: QueryFragment<DB>,
        DB: Backend,
    {
        let miscounted =
            || diesel::result::Error::QueryBuilderError("a statement has not a value for each place".into());
        let mut binds = self.binds.iter();
        for (at, piece) in pieces.enumerate() {
            if at > 0 {
                binds.next().ok_or_else(miscounted)?.walk_ast(out.reborrow())?;
            }
            out.push_sql(piece);
        }
        match binds.next() {
            Some(_) => Err(miscounted()),
            None => Ok(()),
        }
    }
}

/// An engine's way to bind a whole column.
pub trait Columnar: Backend {
    fn push_column<'b>(out: &mut AstPass<'_, 'b, Self>, column: &'b Column<'_>) -> QueryResult<()>;
}

/// An engine's way to read a text without a copy of its own.
trait Appending: Backend {
    fn append(value: Self::RawValue<'_>, to: &mut Vec<u8>) -> deserialize::Result<()>;
}

impl Appending for Pg {
    fn append(value: Self::RawValue<'_>, to: &mut Vec<u8>) -> deserialize::Result<()> {
        to.extend_from_slice(value.as_bytes());
        Ok(())
    }
}

impl Appending for Sqlite {
    fn append(value: Self::RawValue<'_>, to: &mut Vec<u8>) -> deserialize::Result<()> {
        let text: String = FromSql::<Text, Self>::from_sql(value)?;
        to.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Columnar for Pg {
    fn push_column<'b>(out: &mut AstPass<'_, 'b, Self>, column: &'b Column<'_>) -> QueryResult<()> {
        match column {
            Column::Ints(values) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(values),
            Column::Texts(values) => out.push_bind_param::<Array<Nullable<Text>>, _>(values),
            Column::Bytes(values) => out.push_bind_param::<Array<Binary>, _>(values),
        }
    }
}

impl Columnar for Sqlite {
    fn push_column<'b>(_: &mut AstPass<'_, 'b, Self>, _: &'b Column<'_>) -> QueryResult<()> {
        Err(diesel::result::Error::QueryBuilderError(
            "SQLite has no columns of values".into(),
        ))
    }
}

impl<DB> QueryFragment<DB> for Bind<'_>
where
    DB: Columnar + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Binary> + HasSqlType<Bool>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
    for<'s> Option<&'s str>: ToSql<Nullable<Text>, DB>,
    for<'s> &'s [u8]: ToSql<Binary, DB>,
    bool: ToSql<Bool, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        match self {
            Self::Int(value) => out.push_bind_param::<Nullable<BigInt>, _>(value),
            Self::Text(value) => out.push_bind_param::<Nullable<Text>, _>(value),
            Self::Bytes(value) => out.push_bind_param::<Binary, _>(value),
            Self::Bool(value) => out.push_bind_param::<Bool, _>(value),
            Self::Column(column) => DB::push_column(&mut out, column),
        }
    }
}

impl<'a, DB, K> QueryFragment<DB> for Statement<'a, K>
where
    DB: Backend,
    Bind<'a>: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        match &self.text {
            SqlText::Whole(text) => self.walk(&mut out, text.split('?')),
            SqlText::Pieces(pieces) => self.walk(&mut out, pieces.iter().map(String::as_str)),
        }
    }
}

impl<K: Kind> QueryId for Statement<'_, K> {
    type QueryId = Statement<'static, K>;
    const HAS_STATIC_QUERY_ID: bool = K::HAS_ONE_TEXT;
}

impl<K> Query for Statement<'_, K> {
    type SqlType = Untyped;
}

impl<Conn, K> RunQueryDsl<Conn> for &Statement<'_, K> {}

/// The columns of one row, read from left to right.
pub trait Columns {
    fn int(&mut self) -> deserialize::Result<i64>;
    fn optional_int(&mut self) -> deserialize::Result<Option<i64>>;
    fn text(&mut self) -> deserialize::Result<String>;
    fn optional_text(&mut self) -> deserialize::Result<Option<String>>;
    fn optional_hash(&mut self) -> deserialize::Result<Option<[u8; 32]>>;
    fn boolean(&mut self) -> deserialize::Result<bool>;
    /// Appends a text's bytes; `false` where it is absent.
    fn append_text(&mut self, to: &mut Vec<u8>) -> deserialize::Result<bool>;

    fn hash(&mut self) -> deserialize::Result<[u8; 32]> {
        self.optional_hash()?.ok_or_else(|| "a hash is missing".into())
    }
}

/// What a row can be read into.
pub trait FromRow: Sized + 'static {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self>;
}

/// A record of an account that one damaged row must not keep from being read: which it is stands in the first two
/// columns, and what is wrong with the rest is told of this record alone.
pub struct Numbered<T> {
    pub account: AccountId,
    pub number: i64,
    pub row: Result<T, Unreadable>,
}

/// What cannot be read in a stored row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl<T: FromRow> FromRow for Numbered<T> {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            account: AccountId::from_row(columns)?,
            number: columns.int()?,
            row: T::from_row(columns).map_err(|error| Unreadable(error.to_string())),
        })
    }
}

/// Lets diesel build a [`FromRow`] type.
pub struct Loaded<T>(pub T);

struct Cells<'r, R> {
    row: &'r R,
    next: usize,
}

macro_rules! engine_rows {
    ($db:ty) => {
        impl<T: FromRow> FromSqlRow<Untyped, $db> for Loaded<T> {
            fn build_from_row<'a>(row: &impl Row<'a, $db>) -> deserialize::Result<Self> {
                T::from_row(&mut cells::<$db, _>(row)).map(Loaded)
            }
        }
    };
}

engine_rows!(Pg);
engine_rows!(Sqlite);

fn cells<'r, 'a, DB: Backend, R: Row<'a, DB>>(row: &'r R) -> EngineCells<'r, R, DB> {
    EngineCells {
        cells: Cells { row, next: 0 },
        engine: std::marker::PhantomData,
    }
}

struct EngineCells<'r, R, DB> {
    cells: Cells<'r, R>,
    engine: std::marker::PhantomData<DB>,
}

macro_rules! engine_columns {
    ($db:ty) => {
        impl<'r, 'a, R: Row<'a, $db>> EngineCells<'r, R, $db> {
            fn value<ST, T>(&mut self) -> deserialize::Result<Option<T>>
            where
                T: FromSql<ST, $db>,
            {
                let field = self
                    .cells
                    .row
                    .get(self.cells.next)
                    .ok_or("the row has fewer columns than expected")?;
                self.cells.next += 1;
                field.value().map(T::from_sql).transpose()
            }

            fn required<ST, T>(&mut self) -> deserialize::Result<T>
            where
                T: FromSql<ST, $db>,
            {
                self.value::<ST, T>()?
                    .ok_or_else(|| "a column is unexpectedly empty".into())
            }
        }

        impl<'r, 'a, R: Row<'a, $db>> Columns for EngineCells<'r, R, $db> {
            fn int(&mut self) -> deserialize::Result<i64> {
                self.required::<BigInt, i64>()
            }

            fn optional_int(&mut self) -> deserialize::Result<Option<i64>> {
                self.value::<BigInt, i64>()
            }

            fn text(&mut self) -> deserialize::Result<String> {
                self.required::<Text, String>()
            }

            fn optional_text(&mut self) -> deserialize::Result<Option<String>> {
                self.value::<Text, String>()
            }

            fn optional_hash(&mut self) -> deserialize::Result<Option<[u8; 32]>> {
                let bytes = self.value::<Binary, Vec<u8>>()?;
                bytes
                    .map(|b| b.try_into().map_err(|_| "a hash does not have 32 bytes".into()))
                    .transpose()
            }

            fn boolean(&mut self) -> deserialize::Result<bool> {
                self.required::<Bool, bool>()
            }

            fn append_text(&mut self, to: &mut Vec<u8>) -> deserialize::Result<bool> {
                let field = self
                    .cells
                    .row
                    .get(self.cells.next)
                    .ok_or("the row has fewer columns than expected")?;
                self.cells.next += 1;
                let Some(value) = field.value() else {
                    return Ok(false);
                };
                <$db>::append(value, to)?;
                Ok(true)
            }
        }
    };
}

engine_columns!(Pg);
engine_columns!(Sqlite);

impl FromRow for i64 {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        columns.int()
    }
}

impl FromRow for Option<i64> {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        columns.optional_int()
    }
}

impl FromRow for String {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        columns.text()
    }
}

impl FromRow for AccountId {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        columns.int().map(Self::new)
    }
}

impl<A: FromRow, B: FromRow> FromRow for (A, B) {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok((A::from_row(columns)?, B::from_row(columns)?))
    }
}

impl<A: FromRow, B: FromRow, C: FromRow> FromRow for (A, B, C) {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok((A::from_row(columns)?, B::from_row(columns)?, C::from_row(columns)?))
    }
}
