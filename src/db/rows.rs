//! Reading the rows that a statement returns, on both engines alike: column by column, from left to right.

use std::array::TryFromSliceError;
use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::Pg;
use diesel::row::{Field as _, Row};
use diesel::sql_types::{BigInt, Bool, Text, Untyped};
use diesel::sqlite::Sqlite;

use crate::domain::account::AccountId;

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

/// An engine's way to read a value without a copy of its own.
trait InPlace: Backend {
    fn append(value: Self::RawValue<'_>, to: &mut Vec<u8>) -> deserialize::Result<()>;
    fn hash(value: Self::RawValue<'_>) -> Result<[u8; 32], TryFromSliceError>;
}

impl InPlace for Pg {
    fn append(value: Self::RawValue<'_>, to: &mut Vec<u8>) -> deserialize::Result<()> {
        to.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn hash(value: Self::RawValue<'_>) -> Result<[u8; 32], TryFromSliceError> {
        value.as_bytes().try_into()
    }
}

/// The first byte of U+FFFD and of few other characters.
const REPLACED: u8 = 0xEF;

impl InPlace for Sqlite {
    fn append(mut value: Self::RawValue<'_>, to: &mut Vec<u8>) -> deserialize::Result<()> {
        let text = value.read_text().as_bytes();
        if text.contains(&REPLACED) {
            // What is no text is read so too; by its type it is an error.
            let text: String = FromSql::<Text, Self>::from_sql(value)?;
            to.extend_from_slice(text.as_bytes());
        } else {
            to.extend_from_slice(text);
        }
        Ok(())
    }

    fn hash(mut value: Self::RawValue<'_>) -> Result<[u8; 32], TryFromSliceError> {
        value.read_blob().try_into()
    }
}

/// Lets diesel build a [`FromRow`] type.
pub struct Loaded<T>(pub T);

/// A row of that engine, and the column that is read next.
struct Cells<'r, R, DB> {
    row: &'r R,
    next: usize,
    engine: PhantomData<DB>,
}

macro_rules! engine_rows {
    ($db:ty) => {
        impl<T: FromRow> FromSqlRow<Untyped, $db> for Loaded<T> {
            fn build_from_row<'a>(row: &impl Row<'a, $db>) -> deserialize::Result<Self> {
                let mut cells: Cells<'_, _, $db> = Cells {
                    row,
                    next: 0,
                    engine: PhantomData,
                };
                T::from_row(&mut cells).map(Loaded)
            }
        }
    };
}

engine_rows!(Pg);
engine_rows!(Sqlite);

macro_rules! engine_columns {
    ($db:ty) => {
        impl<'r, 'a: 'r, R: Row<'a, $db>> Cells<'r, R, $db> {
            fn next(&mut self) -> deserialize::Result<R::Field<'r>> {
                let field = self.row.get(self.next);
                self.next += 1;
                Ok(field.ok_or("the row has fewer columns than expected")?)
            }

            fn value<ST, T>(&mut self) -> deserialize::Result<Option<T>>
            where
                T: FromSql<ST, $db>,
            {
                self.next()?.value().map(T::from_sql).transpose()
            }

            fn required<ST, T>(&mut self) -> deserialize::Result<T>
            where
                T: FromSql<ST, $db>,
            {
                self.value::<ST, T>()?
                    .ok_or_else(|| "a column is unexpectedly empty".into())
            }
        }

        impl<'r, 'a: 'r, R: Row<'a, $db>> Columns for Cells<'r, R, $db> {
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
                let field = self.next()?;
                let hash = field.value().map(<$db>::hash).transpose();
                Ok(hash.map_err(|_| "a hash does not have 32 bytes")?)
            }

            fn boolean(&mut self) -> deserialize::Result<bool> {
                self.required::<Bool, bool>()
            }

            fn append_text(&mut self, to: &mut Vec<u8>) -> deserialize::Result<bool> {
                let field = self.next()?;
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
