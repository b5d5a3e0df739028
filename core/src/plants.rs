//! Bugs planted on purpose, so that a campaign can prove it would find them.
//!
//! They exist only with the feature `plants`; without it [`Plants::has`] is a constant `false`
//! and a daemon's build carries none.

#[cfg(not(feature = "plants"))]
use core::marker::PhantomData;

/// One table: each bug, its name for `--plant`, what is wrong.
macro_rules! plants {
    ($($(#[$doc:meta])* $plant:ident $name:literal,)*) => {
        /// One planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum Plant {
            $($(#[$doc])* $plant,)*
        }

        impl Plant {
            /// Every planted bug.
            pub const ALL: &'static [Self] = &[$(Self::$plant,)*];

            /// As `--plant` takes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$plant => $name,)*
                }
            }
        }
    };
}

pub(crate) use plants;

/// Which of a machine's bugs is planted, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Plants<P> {
    #[cfg(feature = "plants")]
    planted: Option<P>,
    #[cfg(not(feature = "plants"))]
    none: PhantomData<P>,
}

impl<P> Default for Plants<P> {
    fn default() -> Self {
        Self {
            #[cfg(feature = "plants")]
            planted: None,
            #[cfg(not(feature = "plants"))]
            none: PhantomData,
        }
    }
}

impl<P: Copy + Eq> Plants<P> {
    /// Plants one bug.
    #[cfg(feature = "plants")]
    #[must_use]
    pub const fn with(plant: P) -> Self {
        Self { planted: Some(plant) }
    }

    /// Whether this bug is planted.
    #[must_use]
    #[inline]
    pub fn has(self, plant: P) -> bool {
        #[cfg(feature = "plants")]
        return self.planted == Some(plant);
        #[cfg(not(feature = "plants"))]
        {
            let _ = plant;
            false
        }
    }
}
