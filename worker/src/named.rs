//! Closed enums whose variants each have one name, which labels, logs and stored items use.

/// Declares an enum whose variants each have one name, in snake case.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every variant.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name of the variant.
            pub fn label(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}
