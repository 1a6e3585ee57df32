//! What a store promises.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::auth::credential::{Binding, Grant};
use crate::model::secret::Secret;

const NOW: Wall = Wall::from_unix_seconds(1_800_000_000);

fn store(directory: &Path) -> Store {
    Store::new(directory, &UpstreamName::parse("alibaba").unwrap(), "CN", "my/app")
}

fn credential() -> Credential {
    Credential {
        binding: Binding {
            site: "CN".into(),
            token_endpoint: "https://oauth.example".into(),
            account: Some("12".into()),
            client_id: "40".into(),
            client_name: "my/app".into(),
            scope: "/acs/mcp-server".into(),
        },
        grant: Grant {
            serial: 3,
            access_token: Secret::new("access"),
            refresh_token: Some(Secret::new("refresh")),
            obtained_at: NOW,
            expires_at: Some(NOW.plus(std::time::Duration::from_secs(60))),
            refresh_expires_at: None,
        },
    }
}

#[test]
fn what_is_saved_is_read_back_and_private() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    assert!(store.load().unwrap().is_none());
    store.save(&credential(), NOW).unwrap();
    assert_eq!(store.load().unwrap().unwrap(), credential());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store.path()), 0o600);
    assert_eq!(mode(store.path().parent().unwrap()), 0o700);
    assert_eq!(store.path().file_name().unwrap(), "alibaba.CN.my%2Fapp.json");
    let files = std::fs::read_dir(store.path().parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "no temporary file stays");
}

#[test]
fn a_file_that_others_can_read_is_made_private() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    store.save(&credential(), NOW).unwrap();
    std::fs::set_permissions(store.path(), Permissions::from_mode(0o644)).unwrap();
    store.load().unwrap();
    assert_eq!(std::fs::metadata(store.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_corrupt_file_is_named_and_kept_aside_by_the_next_save() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    store.save(&credential(), NOW).unwrap();
    std::fs::write(store.path(), b"{\"format\":").unwrap();
    let error = store.load().unwrap_err();
    assert!(error.to_string().contains("alibaba.CN.my%2Fapp.json"), "{error}");
    store.save(&credential(), NOW).unwrap();
    assert_eq!(store.load().unwrap().unwrap(), credential());
    let kept = store.path().with_extension("json.kept-1800000000");
    assert_eq!(std::fs::read(kept).unwrap(), b"{\"format\":");
}

#[test]
fn what_is_set_aside_in_one_second_is_all_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    assert!(store.set_aside(NOW).is_err(), "there is no directory");
    store.save(&credential(), NOW).unwrap();
    for text in ["first", "second", "third"] {
        std::fs::write(store.path(), text).unwrap();
        store.save(&credential(), NOW).unwrap();
    }
    let kept = store.set_aside_before();
    let texts: Vec<_> = kept.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(texts, ["first", "second", "third"], "{kept:?}");
    // Something of another kind in its place is kept as well.
    store.remove().unwrap();
    std::fs::create_dir(store.path()).unwrap();
    let directory_kept = store.set_aside(NOW).unwrap();
    assert!(directory_kept.is_dir() && !kept.contains(&directory_kept), "{directory_kept:?}");
    std::fs::remove_dir(directory_kept).unwrap();
    assert!(store.set_aside(NOW).is_err(), "there is nothing to be set aside");
    assert_eq!(store.set_aside_before(), kept, "and nothing empty stays");
}

#[test]
fn the_directory_of_the_logins_is_closed_to_others_and_the_one_above_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (store, logins) = (store(directory.path()), directory.path().join("logins"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    std::fs::create_dir(&logins).unwrap();
    for path in [directory.path(), &logins] {
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    store.save(&credential(), NOW).unwrap();
    assert_eq!((mode(directory.path()), mode(&logins)), (0o755, 0o700));
    std::fs::set_permissions(&logins, Permissions::from_mode(0o770)).unwrap();
    drop(store.try_lock().unwrap());
    assert_eq!(mode(&logins), 0o700);
}

#[test]
fn a_save_that_fails_says_why_and_leaves_the_old_login() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let file_in_the_way = directory.path().join("logins");
    std::fs::write(&file_in_the_way, b"").unwrap();
    let error = store.save(&credential(), NOW).unwrap_err();
    assert!(error.to_string().contains("create the directory"), "{error}");
}

#[test]
fn the_lock_is_for_one_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let held = store.try_lock().unwrap();
    assert!(held.is_some());
    assert!(store.try_lock().unwrap().is_none());
    drop(held);
    assert!(store.try_lock().unwrap().is_some());
}

#[test]
fn with_a_key_the_file_is_sealed_and_without_it_kept() {
    let directory = tempfile::tempdir().unwrap();
    let plain = store(directory.path());
    plain.save(&credential(), NOW).unwrap();
    let (key, _) = SealKey::generate().unwrap();
    let sealed = plain.clone().sealed_with(Some(Arc::new(key)));
    assert_eq!(sealed.load().unwrap().unwrap(), credential(), "what is not sealed yet is read");
    sealed.save(&credential(), NOW).unwrap();
    let text = std::fs::read_to_string(sealed.path()).unwrap();
    assert!(!text.contains("refresh\"") && !text.contains("\"access\""), "{text}");
    let sealed_by = Some(Protection::Sealed { key_id: sealed.key.as_ref().unwrap().id().to_owned() });
    assert_eq!((plain.protection(), sealed.load().unwrap().unwrap()), (sealed_by, credential()));
    let error = plain.load().unwrap_err().to_string();
    assert!(error.contains("no key is given") && error.contains("login.key_file"), "{error}");
    let (other, _) = SealKey::generate().unwrap();
    let wrong = plain.clone().sealed_with(Some(Arc::new(other)));
    assert!(wrong.load().unwrap_err().to_string().contains("the key given is"));
    assert_eq!(std::fs::read_to_string(sealed.path()).unwrap(), text, "nothing is deleted");
}

#[test]
fn a_sealed_file_opens_at_its_own_place_only() {
    let directory = tempfile::tempdir().unwrap();
    let key = Arc::new(SealKey::generate().unwrap().0);
    let here = store(directory.path()).sealed_with(Some(key.clone()));
    here.save(&credential(), NOW).unwrap();
    let there =
        Store::new(directory.path(), &UpstreamName::parse("other").unwrap(), "CN", "my/app").sealed_with(Some(key));
    std::fs::copy(here.path(), there.path()).unwrap();
    assert!(there.load().unwrap_err().to_string().contains("another login"));
}

#[test]
fn a10_a_renewal_that_was_cut_off_is_known_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    store.save(&credential(), NOW).unwrap();
    assert_eq!(store.unfinished_renewal(), None);
    store.renewal_begins(3).unwrap();
    assert_eq!(store.unfinished_renewal(), Some(3));
    store.save(&credential(), NOW).unwrap();
    assert_eq!(store.unfinished_renewal(), None);
}

#[test]
fn a_login_is_resealed_under_another_key_and_its_mark_stays() {
    let directory = tempfile::tempdir().unwrap();
    let plain = store(directory.path());
    let with_key = |key: &Arc<SealKey>| plain.clone().sealed_with(Some(key.clone()));
    let keys = [(); 2].map(|()| Arc::new(SealKey::generate().unwrap().0));
    assert!(!plain.reseal_as(&with_key(&keys[0])).unwrap(), "there is none");
    plain.save(&credential(), NOW).unwrap();
    assert_eq!(plain.protection(), Some(Protection::Plain));
    plain.renewal_begins(3).unwrap();
    assert!(plain.reseal_as(&with_key(&keys[0])).unwrap());
    assert!(with_key(&keys[0]).reseal_as(&with_key(&keys[1])).unwrap());
    assert_eq!(with_key(&keys[1]).load().unwrap().unwrap(), credential());
    assert_eq!(plain.unfinished_renewal(), Some(3));
    let before = std::fs::read(plain.path()).unwrap();
    assert!(with_key(&keys[0]).reseal_as(&plain).is_err(), "the old key opens it no more");
    assert_eq!(std::fs::read(plain.path()).unwrap(), before);
}

#[test]
fn a_removed_login_is_overwritten_first_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let steps = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (seen, file) = (steps.clone(), store(directory.path()).path().to_owned());
    let store = store(directory.path()).observed_by(Arc::new(move |step| {
        let secret_is_there = std::fs::read_to_string(&file).is_ok_and(|text| text.contains("refresh"));
        seen.lock().unwrap().push((step, secret_is_there));
    }));
    assert!(!store.remove().unwrap(), "there was none");
    store.save(&credential(), NOW).unwrap();
    store.renewal_begins(3).unwrap();
    steps.lock().unwrap().clear();
    assert!(store.remove().unwrap());
    let of_file: Vec<_> = steps.lock().unwrap().split_off(5);
    let order = [Step::Overwrite, Step::SyncFile, Step::Remove, Step::SyncDirectory, Step::Done];
    assert_eq!(of_file, order.map(|step| (step, step == Step::Overwrite)));
    assert_eq!(std::fs::read_dir(store.path().parent().unwrap()).unwrap().count(), 0);
    assert!(store.load().unwrap().is_none());
}

#[test]
fn gone_is_told_from_not_to_be_seen() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    assert_eq!(store.look(), Sight::Unknown, "without its directory there is no telling");
    store.save(&credential(), NOW).unwrap();
    let first = store.look();
    assert!(matches!(first, Sight::There(_)));
    store.save(&credential(), NOW).unwrap();
    assert_ne!(store.look(), first, "every save can be told from the one before");
    store.remove().unwrap();
    assert_eq!(store.look(), Sight::Gone);
}
