#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    asynctop_fuzz::arguments(data);
});
