//! Compiles `proto/` into Rust types with protox, so that no machine needs protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["proto/example.proto"], ["proto"])?;
    prost_build::Config::new()
        // `Bytes` fields share the buffer they are decoded from: no image byte is copied.
        .bytes(["."])
        // Sorted maps: equal messages encode to equal bytes.
        .btree_map(["."])
        .compile_fds(files)?;
    Ok(())
}
