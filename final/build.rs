//! Has the programs begin where `hull-sys` says (`crates/sys/src/entry.rs`).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value == wanted);
    if is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bin=hull=-Wl,-e,hull_entry");
        println!("cargo::rustc-link-arg-bin=hull-oci=-Wl,-e,hull_oci_entry");
    }
}
