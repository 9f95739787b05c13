//! Data that were packed into the plugin's file.

/// What `kapacitor-wasm pack` has packed into the plugin's `.wasm` file: a trained model, a table, a calibration. `None` for
/// the file as it was built.
///
/// A plugin that calls this function takes packed data; `pack` refuses any other. The data are the same in every call, lie
/// at an address that is a multiple of 65,536, and are no part of a snapshot. Read them in `check`, so that a task with
/// data that don't fit does not start.
///
/// In a native test they are what [`testing::pack`](crate::testing::pack) was given.
///
/// ```
/// use kapacitor_guest::prelude::*;
/// use kapacitor_guest::testing::{self, Harness, point};
///
/// /// Corrects a field by the calibration of the sensor: a number as text.
/// #[derive(Options)]
/// struct Calibrate {
///     field: FieldName,
///     offset: Shared<f64>,
/// }
///
/// impl Stream for Calibrate {
///     type Group = ();
///
///     fn check(&self) -> Result<()> {
///         let bytes = kapacitor_guest::packed().ok_or("no calibration was packed into the plugin")?;
///         let text = std::str::from_utf8(bytes).map_err(Error::new)?;
///         self.offset.set(text.trim().parse().map_err(Error::new)?);
///         Ok(())
///     }
///
///     fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
///         let value = point.number(&self.field)?;
///         out.send(point.with(&self.field, value + self.offset.get()))
///     }
/// }
///
/// register!(Calibrate);
///
/// let error = Harness::<Calibrate>::start([("field", "celsius".into())]).unwrap_err();
/// assert_eq!(error.to_string(), "no calibration was packed into the plugin");
/// testing::pack(*b"0.25");
/// let mut harness = Harness::<Calibrate>::start([("field", "celsius".into())]).unwrap();
/// let sent = harness.point(&point().field("celsius", 20.0)).unwrap();
/// assert_eq!(sent[0].number("celsius").unwrap(), 20.25);
/// ```
pub fn packed() -> Option<&'static [u8]> {
    #[cfg(target_family = "wasm")]
    return crate::abi::packed();
    #[cfg(not(target_family = "wasm"))]
    native::PACKED.get()
}

#[cfg(any(doc, not(target_family = "wasm")))]
pub mod native {
    use std::cell::Cell;

    thread_local! {
        /// Tests run in several threads, each of which has its own.
        pub static PACKED: Cell<Option<&'static [u8]>> = const { Cell::new(None) };
    }

    /// Packs data into the plugins that run in this thread: see [`packed`](crate::packed). It must be done before they are
    /// started, and takes the place of what was packed before. The memory is never given back.
    pub fn pack(data: impl Into<Vec<u8>>) {
        PACKED.set(Some(data.into().leak()));
    }
}
