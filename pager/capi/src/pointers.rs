//! What C hands over, looked at as far as that is possible before it is used.
#![allow(unsafe_code, reason = "pointers of C are all that there is")]

use crate::status::{Failure, KvpStatus};
use std::ffi::{CStr, OsStr, c_char};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn check<T>(pointer: *const T, what: &str) -> Result<(), Failure> {
    let fault = if pointer.is_null() {
        "null"
    } else if !pointer.is_aligned() {
        "not aligned"
    } else {
        return Ok(());
    };
    Err(Failure::new(KvpStatus::Pointer, format!("{what} is {fault}")))
}

/// What a pointer points to.
///
/// # Safety
///
/// If it is neither null nor misaligned, it points to a `T` that nobody writes while the reference lives.
pub(crate) unsafe fn at<'a, T>(pointer: *const T, what: &str) -> Result<&'a T, Failure> {
    check(pointer, what)?;
    // SAFETY: not null, aligned, and the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// Where a result goes.
///
/// # Safety
///
/// If it is neither null nor misaligned, it points to room for a `T` that is the caller's alone while the reference lives.
pub(crate) unsafe fn room<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut MaybeUninit<T>, Failure> {
    check(pointer, what)?;
    // SAFETY: not null, aligned, the rest is the caller's promise; it may be uninitialised, and that is what the type says.
    Ok(unsafe { &mut *pointer.cast::<MaybeUninit<T>>() })
}

/// Takes a handle back.
///
/// # Safety
///
/// If it is neither null nor misaligned, it came of [`give`], was not taken back, and is not used any more.
pub(crate) unsafe fn take<T>(handle: *mut T, what: &str) -> Result<Box<T>, Failure> {
    check(handle, what)?;
    // SAFETY: it came of a box, by the caller's promise, and is owned by nobody else.
    Ok(unsafe { Box::from_raw(handle) })
}

/// Gives a handle out.
pub(crate) fn give<T>(to: &mut MaybeUninit<*mut T>, value: T) {
    to.write(Box::into_raw(Box::new(value)));
}

/// A text.
///
/// # Safety
///
/// If it is not null, it points to bytes up to a zero, which nobody writes while the reference lives.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str, Failure> {
    check(pointer, what)?;
    // SAFETY: not null, and the rest is the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str()
        .map_err(|error| Failure::new(KvpStatus::Text, format!("{what} is no UTF-8: {error}")))
}

/// A path, of whatever bytes.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn path<'a>(pointer: *const c_char, what: &str) -> Result<&'a Path, Failure> {
    check(pointer, what)?;
    // SAFETY: not null, and the rest is the caller's promise.
    let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
    Ok(Path::new(OsStr::from_bytes(bytes)))
}
