//! How a machine's notices get their names, levels and numbers: one table a machine.

/// Name, level and pattern of each kind, in the order of their numbers.
macro_rules! kinds {
    ($($name:literal $level:ident $pattern:pat,)*) => {
        impl Notice {
            const NAMES: &'static [&'static str] = &[$($name),*];
        }

        impl $crate::machine::Noticed for Notice {
            const KINDS: &'static [&'static str] = Self::NAMES;

            fn kind(&self) -> usize {
                match self {
                    $($pattern => const { $crate::kinds::place(Self::NAMES, $name) },)*
                }
            }

            fn level(&self) -> $crate::machine::Level {
                match self {
                    $($pattern => $crate::machine::Level::$level,)*
                }
            }

            fn words(&self, put: &mut dyn FnMut(u64)) {
                self.put_words(put);
            }
        }
    };
}

pub(crate) use kinds;

/// The number of a name.
pub(crate) const fn place(names: &[&str], name: &str) -> usize {
    let mut at = 0;
    while at < names.len() {
        if same(names[at].as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("every kind has a name")
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
