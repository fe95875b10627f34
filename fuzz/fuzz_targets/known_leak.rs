//! What is not freed on purpose: the options of the page's files, made once.

#[unsafe(no_mangle)]
pub extern "C" fn __lsan_default_suppressions() -> *const std::ffi::c_char {
    c"leak:memory_serve".as_ptr()
}
