//! A cached SQL statement that both engines run; what it returns is read by [`super::rows`].
//!
//! diesel's `sql_query` is prepared anew at every call; a [`Statement`] is prepared once per
//! connection. Its text is written with `?` for each value, in the order of the binds.

use std::borrow::Cow;
use std::marker::PhantomData;

use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, BigInt, Binary, Bool, HasSqlType, Nullable, Text, Untyped};
use diesel::sqlite::Sqlite;

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
