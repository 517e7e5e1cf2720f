// SPDX-License-Identifier: Apache-2.0
//! Declarations from the headers of the installed library, by the program `bindgen`; pkg-config says where they are.
use std::{env, path::Path, process::Command};

fn pkg_config(argument: &str) -> String {
    let result = Command::new("pkg-config").args([argument, "nncf"]).output().expect("pkg-config does not run");
    assert!(result.status.success(), "pkg-config: {}", String::from_utf8_lossy(&result.stderr));
    String::from_utf8(result.stdout).unwrap().trim().to_string()
}

fn main() {
    let include = pkg_config("--variable=includedir");
    let output = Path::new(&env::var("OUT_DIR").unwrap()).join("bindings.rs");
    let done = Command::new("bindgen")
        .arg(format!("{include}/nncf/nncf.h"))
        .args(["--allowlist-function", "nncf_.*", "--allowlist-type", "nncf_.*", "--allowlist-var", "NNCF_.*", "--no-doc-comments"])
        .arg("-o")
        .arg(&output)
        .args(["--", &format!("-I{include}")])
        .status()
        .expect("bindgen does not run (Debian: bindgen)");
    assert!(done.success(), "bindgen failed; without libclang.so: Debian's libclang-dev");
    for flag in pkg_config("--libs").split_whitespace() {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={folder}");
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib={library}");
        }
    }
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    println!("cargo:rerun-if-changed={include}/nncf");
    println!("cargo:rerun-if-changed=build.rs");
}
