//! Settings that `udf.toml` gives in two places.

/// Declares settings that `udf.toml` has in two places, for all functions and for one: a complete type with the
/// defaults, and a partial type as written, in which an absent setting comes from the level above.
macro_rules! layered {
    (
        $(#[$meta:meta])* $whole:ident, $partial:ident:
        $($(#[$field_meta:meta])* $field:ident: $type:ty = $default:expr;)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct $whole {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl Default for $whole {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        #[derive(Clone, Copy, Debug, Default, serde::Deserialize, serde::Serialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub(crate) struct $partial {
            $(pub(crate) $field: Option<$type>,)*
        }

        impl $partial {
            /// These settings, and those of `base` where they are absent.
            pub(crate) fn over(self, base: $whole) -> $whole {
                $whole { $($field: self.$field.unwrap_or(base.$field),)* }
            }
        }
    };
}

pub(crate) use layered;
