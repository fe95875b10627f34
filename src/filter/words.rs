//! The fixed words of a filter: an alert's own fields, operators, modifiers and transformers.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A field in a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    /// One of the alert's own fields.
    Own(Own),
    /// The output field of this name.
    Output(String),
}

/// Defines an enum whose variants have a text.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($variant:ident $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($variant,)* }

        impl $name {
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)*];

            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub(super) fn names() -> impl Iterator<Item = &'static str> {
                Self::ALL.iter().map(|word| word.name())
            }
        }
    };
}

words! {
    /// An alert's own fields.
    Own {
        Priority "priority",
        Time "time",
        Rule "rule",
        Source "source",
        Hostname "hostname",
        Output "output",
        Tags "tags",
    }
}

words! {
    /// The operators of comparisons.
    Operator {
        Equal "=",
        NotEqual "!=",
        Less "<",
        LessOrEqual "<=",
        Greater ">",
        GreaterOrEqual ">=",
        Contains "contains",
        Icontains "icontains",
        Bcontains "bcontains",
        StartsWith "startswith",
        EndsWith "endswith",
        Bstartswith "bstartswith",
        Glob "glob",
        Iglob "iglob",
        Regex "regex",
        In "in",
        Intersects "intersects",
        Pmatch "pmatch",
        Exists "exists",
    }
}

words! {
    /// How the results for several values combine (Falco 0.44).
    Modifier {
        Any "anyof",
        All "allof",
        One "oneof",
    }
}

words! {
    /// Functions of a field (libsinsp).
    Transformer {
        ToLower "tolower",
        ToUpper "toupper",
        B64 "b64",
        Basename "basename",
        Len "len",
    }
}

impl Transformer {
    /// Transforms a value. Returns `None` if the field then has no value.
    pub(super) fn apply(self, text: &str) -> Option<String> {
        Some(match self {
            Self::ToLower => text.to_ascii_lowercase(),
            Self::ToUpper => text.to_ascii_uppercase(),
            Self::B64 => {
                let bytes = BASE64_STANDARD.decode(text).ok()?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Self::Basename => text.rsplit('/').next().unwrap_or_default().to_owned(),
            Self::Len => text.len().to_string(),
        })
    }
}

/// Functions and keywords of Falco's conditions that a filter rejects, with the reason.
pub(super) const UNSUPPORTED: [(&str, &str); 4] = [
    ("val", "a value: a filter does not compare two fields"),
    ("join", "a field: an alert has no value of `join`, which combines several fields"),
    ("concat", "a field: an alert has no value of `concat`, which combines several fields"),
    ("getopt", "a field: `getopt` needs the list of arguments, which an alert has only as text"),
];

impl Modifier {
    /// Combines the results of one comparison for each value. Without values it is false.
    pub(super) fn combine(self, mut results: impl Iterator<Item = bool>) -> bool {
        match self {
            Self::Any => results.any(|result| result),
            Self::All => {
                let mut any = false;
                results.inspect(|_| any = true).all(|result| result) && any
            }
            Self::One => results.filter(|result| *result).take(2).count() == 1,
        }
    }
}

impl Operator {
    /// Returns what follows the operator.
    pub(super) fn takes(self) -> Takes {
        match self {
            Self::Exists => Takes::Nothing,
            Self::In | Self::Intersects | Self::Pmatch => Takes::List,
            _ => Takes::Value,
        }
    }
}

/// What follows an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Value,
    /// Values in parentheses, with commas.
    List,
}
