//! State that all groups share.

use std::cell::{Ref, RefCell, RefMut};

use crate::options::types::OptionType;
use crate::options::value::{OptionValue, ValueType};

/// State that all groups of a task share, as a field of the plugin beside its options. It begins with [`Default`], and is
/// no option: a TICKscript can't give it.
///
/// The host saves and restores it like the state of groups, and brings it back after a failure. A plugin with a
/// [`Snapshot`](crate::Snapshot) of its own reads and fills it there, through `self`; with `SerdeSnapshot` it is one
/// method each. Unlike groups it lives as long as the task, so keep it small and bounded.
///
/// ```
/// use kapacitor_guest::prelude::*;
/// use kapacitor_guest::statistics::ExponentialMoments;
///
/// /// Adds to each point how far it is from what is usual in all groups together.
/// #[derive(Options)]
/// struct Distance {
///     field: String,
///     usual: Shared<ExponentialMoments>,
/// }
///
/// impl Stream for Distance {
///     type Group = ();
///
///     fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
///         let value = point.number(&self.field)?;
///         let mut usual = self.usual.borrow_mut();
///         let distance = value - usual.mean().unwrap_or(value);
///         usual.push(value, 0.01);
///         out.send(point.with("distance", distance))
///     }
/// }
///
/// register!(Distance);
/// ```
#[derive(Debug, Default)]
pub struct Shared<T>(RefCell<T>);

impl<T> Shared<T> {
    /// State that begins with `value`, for `#[option(default = Shared::new(...))]`.
    pub fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Borrows the state.
    ///
    /// # Panics
    ///
    /// While it is borrowed by [`Shared::borrow_mut`].
    pub fn borrow(&self) -> Ref<'_, T> {
        self.0.borrow()
    }

    /// Borrows the state to change it.
    ///
    /// # Panics
    ///
    /// While it is borrowed already. A borrow ends with the scope of the value that is returned.
    pub fn borrow_mut(&self) -> RefMut<'_, T> {
        self.0.borrow_mut()
    }

    /// A copy of the state.
    pub fn get(&self) -> T
    where
        T: Copy,
    {
        *self.0.borrow()
    }

    /// Replaces the state.
    pub fn set(&self, value: T) {
        *self.0.borrow_mut() = value;
    }
}

impl<T: Default> OptionType for Shared<T> {
    const TYPES: &'static [ValueType] = &[];
    const IS_OPTION: bool = false;

    fn read(_: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        Ok(Self::default())
    }
}
