//! Enumerations whose variants are words: the same in a column, on every wire and in a schema.
//! Holds no meaning of its own: each noun says which words it has.

/// An enumeration whose variants are words.
pub trait Word: std::str::FromStr {
    /// Every spelling that is understood, those that are answered among them.
    const SPELLINGS: &'static [&'static str];
}

/// Declares such an enumeration. A word may have further spellings that are understood but never answered.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal $(| $alias:literal)*),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[schemars(inline)]
        pub enum $name { $($(#[$about])* #[serde(rename = $word $(, alias = $alias)*)] $variant),+ }

        impl $name {
            /// Every word that is answered, in order.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word that is stored and answered.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::storage::Word for $name {
            const SPELLINGS: &'static [&'static str] = &[$($word $(, $alias)*),+];
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> std::result::Result<Self, String> {
                match word {
                    $($word $(| $alias)* => Ok(Self::$variant),)+
                    _ => Err(format!("Must be one of: {}.", Self::WORDS.join(", "))),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(word: String) -> std::result::Result<Self, String> {
                word.parse().map_err(|_| format!(concat!("{:?} is no ", stringify!($name)), word))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
