//! Release binaries, side by side with their checksums.

use std::fs;

use anyhow::{Context as _, Result};

use crate::run::{cargo, output, root, run, target_dir};

const PROGRAMS: [&str; 3] = ["etcd", "etcdctl", "etcdutl"];

/// Builds the programs into `dist/`.
pub(crate) fn dist() -> Result<()> {
    run(
        &cargo(),
        &[
            "build",
            "--release",
            "--locked",
            "-p",
            "etcd",
            "-p",
            "etcdctl",
            "-p",
            "etcdutl",
        ],
        &[],
    )?;
    let folder = root().join("dist");
    fs::create_dir_all(&folder)?;
    let mut sums = String::new();
    for program in PROGRAMS {
        let built = target_dir().join("release").join(program);
        let shipped = folder.join(program);
        fs::copy(&built, &shipped).with_context(|| format!("{} is missing", built.display()))?;
        sums.push_str(&output("sha256sum", &[&shipped.to_string_lossy()])?);
    }
    let sums = sums.replace(&format!("{}/", folder.display()), "");
    fs::write(folder.join("SHA256SUMS"), sums)?;
    eprintln!("    {}", folder.display());
    Ok(())
}
