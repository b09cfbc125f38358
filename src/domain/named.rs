//! Choices that are stored, asked for and shown by name.

/// Declares an enum together with the name of each variant: what is in the database, in files and in output.
macro_rules! named {
    ($(#[$attribute:meta])* pub enum $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$attribute])*
        pub enum $type { $($(#[$doc])* $variant,)* }

        impl $type {
            /// In the order of their declaration.
            pub const ALL: [Self; [$($name,)*].len()] = [$(Self::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

pub(crate) use named;
