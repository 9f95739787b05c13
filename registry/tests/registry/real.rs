//! Push, lock, pull and sign with a real registry.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kapacitor_wasm_registry::{
    Access, Credentials, Digest, PrivateKey, PublicKey, Source, Store, Trust, Wanted, generate, look_up,
    pull, push,
};

use super::docker_registry::Registry;
use super::{MODULE, access, source};

fn source_in(registry: &Registry, name: &str) -> Source {
    source(&format!("oci://{}/plugins/{name}", registry.host))
}

fn wanted(source: &Source, digest: Digest, trust: Trust) -> Wanted {
    Wanted { source: source.clone(), digest, trust, most: 1000 }
}

fn keys(registry: &Registry, name: &str) -> (PrivateKey, PublicKey) {
    let (private, public) = generate().unwrap();
    let path = registry.file(name);
    fs::write(&path, private).unwrap();
    let private = PrivateKey::read(&path).unwrap();
    fs::write(&path, public).unwrap();
    (private, PublicKey::read(&path).unwrap())
}

/// A module with a custom section, which makes it another one.
fn module(name: u8) -> Vec<u8> {
    [MODULE, &[0, 2, 1, name]].concat()
}

#[test]
fn what_is_pushed_is_pulled_and_stays_without_the_registry() {
    let Some(registry) = Registry::open() else { return };
    let source = source_in(&registry, "a:1");
    let digest = push(&access(), &source, &module(b'a'), "a.wasm", None).unwrap();
    assert_eq!(push(&access(), &source, &module(b'a'), "a.wasm", None).unwrap(), digest);
    assert_eq!(look_up(&access(), &source, &Trust::Anybody, 1000).unwrap(), digest);

    let store = Store::new(&registry.file("store"));
    let wanted = wanted(&source, digest, Trust::Anybody);
    let first = pull(&access(), &store, &wanted, 100_000).unwrap();
    assert!(first.is_new);
    assert_eq!(fs::read(&first.stored.path).unwrap(), module(b'a'));

    // The tag moves, and the version stays.
    let moved = push(&access(), &source, &module(b'b'), "a.wasm", None).unwrap();
    assert_ne!(moved, digest);
    assert_eq!(look_up(&access(), &source, &Trust::Anybody, 1000).unwrap(), moved);
    fs::remove_dir_all(store.folder()).unwrap();
    assert_eq!(
        fs::read(pull(&access(), &store, &wanted, 100_000).unwrap().stored.path).unwrap(),
        module(b'a')
    );

    // A damaged file is found, and fetched again.
    fs::write(&first.stored.path, module(b'x')).unwrap();
    assert!(wanted.verify(&store).unwrap_err().to_string().contains("is damaged"));
    assert!(pull(&access(), &store, &wanted, 100_000).unwrap().is_new);

    drop(registry);
    assert!(
        look_up(&access(), &source, &Trust::Anybody, 1000)
            .unwrap_err()
            .to_string()
            .contains("can't be reached")
    );
}

#[test]
fn the_store_is_enough_without_the_registry() {
    let Some(mut registry) = Registry::open() else { return };
    let (private, public) = keys(&registry, "key");
    let source = source_in(&registry, "a:1");
    let digest = push(&access(), &source, MODULE, "a.wasm", Some(&private)).unwrap();
    let store = Store::new(&registry.file("store"));
    let wanted = wanted(&source, digest, Trust::SignedBy { keys: vec![public], identity: source.identity() });
    pull(&access(), &store, &wanted, 100_000).unwrap();
    registry.stop();
    wanted.verify(&store).unwrap();
    assert!(!pull(&access(), &store, &wanted, 100_000).unwrap().is_new);
}

#[test]
fn what_is_not_there_is_said() {
    let Some(registry) = Registry::open() else { return };
    let source = source_in(&registry, "a:1");
    let error = |result: Result<Digest, _>| -> String {
        let error: kapacitor_wasm_registry::Error = result.unwrap_err();
        error.to_string()
    };
    assert!(
        error(look_up(&access(), &source, &Trust::Anybody, 1000)).contains("push it, or correct the source")
    );
    let missing = wanted(&source, Digest::of(b"x"), Trust::Anybody);
    let store = Store::new(&registry.file("store"));
    let pulled = pull(&access(), &store, &missing, 1000).unwrap_err().to_string();
    assert!(pulled.contains("run `kapacitor-wasm lock`"), "{pulled}");
    assert!(missing.find(&store).unwrap_err().to_string().contains("run `kapacitor-wasm pull`"));
    for (module, problem) in [(&b"text"[..], "does not begin"), (b"\0asm\x0d\0\x01\0", "does not begin")] {
        assert!(error(push(&access(), &source, module, "a.wasm", None)).contains(problem));
    }
    let by_digest = source.at(Digest::of(b"x"));
    assert!(error(push(&access(), &by_digest, MODULE, "a.wasm", None)).contains("has no tag, or a digest"));
}

#[test]
fn signatures_decide_what_is_taken() {
    let Some(registry) = Registry::open() else { return };
    let ((old, old_public), (new, new_public)) = (keys(&registry, "old"), keys(&registry, "new"));
    let source = source_in(&registry, "a:1");
    let trust = |keys: &[&PublicKey]| Trust::SignedBy {
        keys: keys.iter().map(|key| (*key).clone()).collect(),
        identity: source.identity(),
    };
    let look =
        |keys: &[&PublicKey]| look_up(&access(), &source, &trust(keys), 1000).map_err(|e| e.to_string());
    let digest = push(&access(), &source, MODULE, "a.wasm", None).unwrap();
    assert!(look(&[&old_public]).unwrap_err().contains("has no signature"));
    assert_eq!(push(&access(), &source, MODULE, "a.wasm", Some(&old)).unwrap(), digest);
    assert_eq!(look(&[&old_public]), Ok(digest));
    assert!(look(&[&new_public]).unwrap_err().contains("signatures are of other keys"));
    let store = Store::new(&registry.file("store"));
    let pulled = |keys: &[&PublicKey]| {
        let pulled = pull(&access(), &store, &wanted(&source, digest, trust(keys)), 100_000);
        pulled.map(|pulled| pulled.stored.signed_by).map_err(|e| e.to_string())
    };
    assert_eq!(pulled(&[&old_public]), Ok(Some(old_public.path.clone())));

    // The key is changed: both sign, then the old one is no longer trusted.
    push(&access(), &source, MODULE, "a.wasm", Some(&new)).unwrap();
    let of_new = wanted(&source, digest, trust(&[&new_public]));
    assert!(of_new.find(&store).unwrap_err().to_string().contains("other keys"));
    assert_eq!(pulled(&[&old_public, &new_public]), Ok(Some(new_public.path.clone())));
    assert_eq!(of_new.find(&store).unwrap().signed_by, Some(new_public.path.clone()));
    assert_eq!(look(&[&old_public]), Ok(digest));

    // Signing again changes nothing.
    let tag = source_of_signatures(&source, digest);
    let before = look_up_raw(&registry, &tag);
    push(&access(), &source, MODULE, "a.wasm", Some(&new)).unwrap();
    assert_eq!(look_up_raw(&registry, &tag), before);
}

#[test]
fn a_copy_is_signed_as_what_it_was() {
    let Some(registry) = Registry::open() else { return };
    let (private, public) = keys(&registry, "key");
    let (original, other) = (source_in(&registry, "a:1"), source_in(&registry, "b:1"));
    let digest = push(&access(), &original, MODULE, "a.wasm", Some(&private)).unwrap();
    // Somebody who may write to the registry copies the plugin with its signature to another name.
    push(&access(), &other, MODULE, "a.wasm", None).unwrap();
    let data = registry.file("data/docker/registry/v2/repositories/plugins");
    let tag = format!("sha256-{}.sig", digest.hex());
    copy(&data.join("a/_manifests"), &data.join("b/_manifests"));
    copy(&data.join("a/_layers"), &data.join("b/_layers"));
    assert!(data.join("b/_manifests/tags").join(tag).exists());
    let look = |identity: String| {
        let trust = Trust::SignedBy { keys: vec![public.clone()], identity };
        look_up(&access(), &other, &trust, 1000).map_err(|e| e.to_string())
    };
    assert!(look(other.identity()).unwrap_err().contains("set `signed-as`"));
    assert_eq!(look(original.identity()), Ok(digest));
}

#[test]
fn passwords_are_asked_for_and_checked() {
    let Some(registry) = Registry::with_passwords() else { return };
    let source = source_in(&registry, "a:1");
    let config = registry.file("config.json");
    let signed_in = |password: &str| {
        let auth = STANDARD.encode(format!("plant:{password}"));
        fs::write(&config, format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{auth}\"}}}}}}", registry.host))
            .unwrap();
        Access { credentials: Credentials::of_file(&config), ..access() }
    };
    let error = push(&access(), &source, MODULE, "a.wasm", None).unwrap_err().to_string();
    assert!(error.contains("lets nobody push without a password"), "{error}");
    let error = push(&signed_in("wrong horse"), &source, MODULE, "a.wasm", None).unwrap_err().to_string();
    assert!(error.contains("refuses to let user `plant` push") && !error.contains("wrong horse"), "{error}");
    let access = signed_in("correct horse");
    let digest = push(&access, &source, MODULE, "a.wasm", None).unwrap();
    let store = Store::new(&registry.file("store"));
    pull(&access, &store, &wanted(&source, digest, Trust::Anybody), 100_000).unwrap();
}

/// The reference of the signatures of a manifest.
fn source_of_signatures(source: &Source, digest: Digest) -> String {
    format!("{}/_manifests/tags/sha256-{}.sig/current/link", source.repository, digest.hex())
}

/// Which manifest a tag leads to, as the registry has stored it.
fn look_up_raw(registry: &Registry, link: &str) -> String {
    fs::read_to_string(registry.file("data/docker/registry/v2/repositories").join(link)).unwrap()
}

/// Copies a folder into another one.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
