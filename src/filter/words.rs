//! The fixed words of a filter: an alert's own fields, and the operators.

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
        Glob "glob",
        Regex "regex",
        In "in",
        Intersects "intersects",
        Pmatch "pmatch",
        Exists "exists",
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
