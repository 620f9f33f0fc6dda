//! How ops are declared, once each: the enum, the parser and the documentation come of one list.

use super::rule::Rule;

/// What the documentation says of an op; see [`Op::docs`](super::Op::docs).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpDoc {
    /// The op's name.
    pub name: &'static str,
    /// What it does and what it equals, in lines of Markdown.
    pub text: &'static [&'static str],
    /// Its parameters, in order.
    pub params: Vec<ParamDoc>,
}

/// What the documentation says of a parameter.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ParamDoc {
    /// The parameter's name.
    pub name: &'static str,
    /// What it is, in lines of Markdown.
    pub text: &'static [&'static str],
    /// The values allowed.
    pub allowed: String,
    /// The default as a spec would write it; `None` where the parameter must be given.
    pub default: Option<String>,
}

/// The rule of a parameter of type `T`; fixes the type of its bounds.
pub(super) fn of<T, R: Rule<Value = T>>(rule: R) -> R {
    rule
}

/// The key of a field whose name is a keyword of Rust.
pub(super) fn key(field: &'static str) -> &'static str {
    field.trim_start_matches("r#")
}

macro_rules! param {
    ($section:ident, $field:ident, $rule:expr) => {
        $rule.require($section, key(stringify!($field)))?
    };
    ($section:ident, $field:ident, $rule:expr, $default:expr) => {
        $rule.read($section, key(stringify!($field)))?.unwrap_or($default)
    };
}

/// Adds a parameter as a spec writes it, unless it is the default.
macro_rules! entry {
    ($entries:ident, $field:ident, $rule:expr) => {
        $entries.push((key(stringify!($field)), $rule.show($field)))
    };
    ($entries:ident, $field:ident, $rule:expr, $default:expr) => {
        if *$field != $default {
            $entries.push((key(stringify!($field)), $rule.show($field)))
        }
    };
}

macro_rules! default_text {
    ($rule:expr) => {
        None
    };
    ($rule:expr, $default:expr) => {
        Some($rule.show(&$default))
    };
}

/// Declares the ops: `name => Variant { parameter: Type = default, rule; ... }`.
macro_rules! ops {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident => $variant:ident $({ $(
            $(#[doc = $field_doc:literal])*
            $field:ident: $ty:ty $(= $default:expr)?, $rule:expr;
        )* })?
    )*) => {
        /// One operation of a pipeline, with TensorFlow's names and meanings.
        ///
        /// Images are u8 as decoded, or f32 in levels of 0..255. On u8 every op has TensorFlow's meaning for uint8; on f32
        /// nothing is clipped or rounded unless the op says so. `size` is height, width.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Op { $(
            $(#[doc = $doc])*
            $variant $({ $(
                $(#[doc = $field_doc])*
                $field: $ty,
            )* })?,
        )* }

        impl Op {
            /// Every op's name, in the order of the documentation.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The name in a spec.
            pub fn name(&self) -> &'static str {
                match self { $( Op::$variant { .. } => stringify!($name), )* }
            }

            /// What there is to know of every op: docs/pipeline.md is made of it.
            pub fn docs() -> Vec<OpDoc> {
                vec![$( OpDoc {
                    name: stringify!($name),
                    text: &[$($doc),*],
                    params: vec![$($( ParamDoc {
                        name: key(stringify!($field)),
                        text: &[$($field_doc),*],
                        allowed: of::<$ty, _>($rule).allowed(),
                        default: default_text!(of::<$ty, _>($rule) $(, $default)?),
                    } ),*)?],
                } ),*]
            }

            /// The parameters that are not the defaults, each as a spec writes it, in the order of the documentation.
            pub(super) fn entries(&self) -> Vec<(&'static str, String)> {
                #[allow(unused_mut)]
                let mut entries = Vec::new();
                match self { $(
                    Op::$variant $({ $($field),* })? => {
                        $($( entry!(entries, $field, of::<$ty, _>($rule) $(, $default)?); )*)?
                    }
                )* }
                entries
            }

            /// Reads the parameters of the op of this name; `None` where there is no such op.
            pub(super) fn read(name: &str, section: &Section<'_>) -> Result<Option<Op>> {
                Ok(Some(match name {
                    $( stringify!($name) => {
                        section.expect(&["op", "p" $($(, key(stringify!($field)))*)?]);
                        Op::$variant $({ $(
                            $field: param!(section, $field, $rule $(, $default)?),
                        )* })?
                    } )*
                    _ => return Ok(None),
                }))
            }
        }
    };
}
