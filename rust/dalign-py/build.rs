//! Copies `kernels/` and `specs/` to `OUT_DIR`, from where maturin puts them into the package
//! `dalign`. A symlink in the package would be left out of the wheel.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../..");
    let out = PathBuf::from(variable("OUT_DIR"));
    for folder in ["kernels", "specs"] {
        let source = root.join(folder);
        println!("cargo::rerun-if-changed={}", source.display());
        let target = out.join(folder);
        // A file deleted from the tree must not live on in the next wheel.
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        if source.is_dir() {
            copy_folder(&source, &target)?;
        }
    }
    Ok(())
}

/// An environment variable that cargo always sets for a build script.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}

fn copy_folder(source: &Path, target: &Path) -> io::Result<()> {
    fs::create_dir_all(target)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "__pycache__" || name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target.join(name))?;
        } else {
            fs::copy(entry.path(), target.join(name))?;
        }
    }
    Ok(())
}
