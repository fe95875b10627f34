//! Tells the leak sanitizer what is never freed on purpose: the options of the page's files.

#[unsafe(no_mangle)]
pub extern "C" fn __lsan_default_suppressions() -> *const std::ffi::c_char {
    c"leak:memory_serve".as_ptr()
}
