//! The reports of several recordings, as a reader and as a browser see them.

mod browser;
mod cases;
mod derived;
mod pages;
mod pictures;
