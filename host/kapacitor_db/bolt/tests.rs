use super::*;

/// A database with pages of 1 KiB that bbolt wrote. Its root is page 6, and the bucket `task_store`
/// begins with the branch page 4.
const WHOLE: &[u8] = include_bytes!("../../../tests/fixtures/kapacitor.db");
const PAGE: usize = 1024;
const BRANCH_PAGE: usize = 4;

fn parsed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Database, BoltError> {
    let mut bytes = WHOLE.to_vec();
    change(&mut bytes);
    Database::parse(bytes)
}

fn damage(change: impl FnOnce(&mut Vec<u8>)) -> Damage {
    let database = parsed(change).expect("the meta pages are whole");
    database.entries(&["task_store"]).expect_err("it is damaged")
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, number: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&number);
}

/// Changes a meta page so that its checksum stays right.
fn put_meta<const N: usize>(bytes: &mut [u8], page: usize, at: usize, number: [u8; N]) {
    let meta = &mut bytes[page * PAGE + PAGE_HEADER..][..META];
    put(meta, at, number);
    let sum = fnv1a(&meta[..56]);
    put(meta, 56, sum.to_le_bytes());
}

/// Where the element `index` of a page begins.
fn element(page: usize, index: usize) -> usize {
    page * PAGE + PAGE_HEADER + 16 * index
}

/// The first leaf below the branch page.
fn leaf() -> usize {
    u64_at(WHOLE, element(BRANCH_PAGE, 0) + 8).unwrap() as usize
}

#[test]
fn buckets_are_found_by_their_path() {
    let database = parsed(|_| ()).unwrap();
    let only = |path: &[&str]| {
        let entries = database.entries(path).unwrap().unwrap();
        assert_eq!(entries.len(), 1, "{path:?}");
        entries[0]
    };
    assert_eq!(only(&["outer"]), (&b"key"[..], &b"of the outer"[..]));
    assert_eq!(only(&["outer", "inner"]), (&b"key"[..], &b"of the inner"[..]));
    assert_eq!(only(&["versions"]), (&b"topics"[..], &b"1"[..]));
    assert_eq!(database.entries(&[]).unwrap().unwrap(), []);
    assert!(database.entries(&["inner"]).unwrap().is_none());
    assert!(database.entries(&["outer", "key"]).unwrap().is_none());
}

#[test]
fn the_meta_page_of_the_latest_transaction_counts() {
    let transaction = |change: fn(&mut Vec<u8>)| parsed(change).unwrap().meta.transaction;
    let latest = transaction(|_| ());
    assert_eq!(transaction(|bytes| bytes[PAGE_HEADER + 48] ^= 1), latest - 1, "the first is damaged");
    assert_eq!(transaction(|bytes| bytes[PAGE + PAGE_HEADER + 48] ^= 1), latest, "the second is damaged");
    assert_eq!(transaction(|bytes| put_meta(bytes, 1, 48, u64::MAX.to_le_bytes())), u64::MAX);
    // A page size that is not its place makes the second one no meta page.
    let elsewhere = transaction(|bytes| {
        put_meta(bytes, 1, 48, u64::MAX.to_le_bytes());
        put_meta(bytes, 1, 8, 4096u32.to_le_bytes());
    });
    assert_eq!(elsewhere, latest);
}

#[test]
fn what_is_no_database_is_told_so() {
    let error = |bytes: &[u8]| Database::parse(bytes.to_vec()).err().expect("no database").to_string();
    assert_eq!(error(b""), "is not a BoltDB file");
    assert_eq!(error(&vec![0; 1 << 17]), "is not a BoltDB file");
    assert_eq!(error(&WHOLE[..70]), "is not a BoltDB file");

    let error = |change: fn(&mut Vec<u8>)| parsed(change).err().expect("no database").to_string();
    let both = error(|bytes| [0, PAGE].into_iter().for_each(|page| bytes[page + PAGE_HEADER + 60] ^= 1));
    assert_eq!(both, "is damaged: neither of its meta pages is whole");
    let version = error(|bytes| [0, 1].into_iter().for_each(|page| put_meta(bytes, page, 4, [3])));
    assert_eq!(version, "is a BoltDB file of version 3, and only version 2 is known");
    let page_size = error(|bytes| [0, 1].into_iter().for_each(|page| put_meta(bytes, page, 8, [1])));
    assert_eq!(page_size, "is damaged: it says that its pages have 1025 bytes");
}

#[test]
fn a_page_is_visited_once() {
    let itself = damage(|bytes| put(bytes, element(BRANCH_PAGE, 0) + 8, (BRANCH_PAGE as u64).to_le_bytes()));
    assert_eq!(itself, Damage::UsedTwice(Place::Page(BRANCH_PAGE as u64)));
    let again = damage(|bytes| {
        bytes.copy_within(element(BRANCH_PAGE, 0)..element(BRANCH_PAGE, 1), element(BRANCH_PAGE, 1));
    });
    assert!(matches!(again, Damage::UsedTwice(_)), "{again}");
    let overflow = damage(|bytes| put(bytes, leaf() * PAGE + 12, [15]));
    assert!(matches!(overflow, Damage::UsedTwice(_)), "{overflow}");
}

#[test]
fn a_page_lies_in_the_file() {
    for number in [23, u64::MAX, u64::MAX / PAGE as u64, 1 << 54] {
        let far = damage(|bytes| put(bytes, element(BRANCH_PAGE, 2) + 8, number.to_le_bytes()));
        assert_eq!(far, Damage::Outside(Place::Page(number)));
    }
    let overflow = damage(|bytes| put(bytes, leaf() * PAGE + 12, u32::MAX.to_le_bytes()));
    assert_eq!(overflow.to_string(), format!("page {} lies outside of the file", leaf()));
    let end =
        damage(|bytes| [0, 1].into_iter().for_each(|page| put_meta(bytes, page, 40, 5u64.to_le_bytes())));
    assert_eq!(end, Damage::Outside(Place::Page(6)), "Bolt uses only five pages");
}

#[test]
fn a_page_is_what_it_should_be() {
    let meta = damage(|bytes| put(bytes, element(BRANCH_PAGE, 0) + 8, 0u64.to_le_bytes()));
    assert_eq!(meta.to_string(), "page 0 is neither a branch nor a leaf");
    let other = damage(|bytes| put(bytes, leaf() * PAGE, 77u64.to_le_bytes()));
    assert_eq!(other.to_string(), format!("page {} says that it is page 77", leaf()));
    let count = damage(|bytes| put(bytes, leaf() * PAGE + 10, u16::MAX.to_le_bytes()));
    assert_eq!(count, Damage::Element(Place::Page(leaf() as u64)));
    let branch = damage(|bytes| put(bytes, BRANCH_PAGE * PAGE + 10, u16::MAX.to_le_bytes()));
    assert_eq!(branch, Damage::Element(Place::Page(BRANCH_PAGE as u64)));
    let order = damage(|bytes| {
        let (first, second) = (element(BRANCH_PAGE, 0) + 8, element(BRANCH_PAGE, 1) + 8);
        (0..8).for_each(|i| bytes.swap(first + i, second + i));
    });
    assert!(matches!(order, Damage::Order(_)), "{order}");
}

#[test]
fn entries_do_not_overlap() {
    let place = Place::Page(leaf() as u64);
    for (offset, number) in [(4, u32::MAX), (8, u32::MAX), (12, u32::MAX), (12, PAGE as u32), (4, 0)] {
        let changed = damage(|bytes| put(bytes, element(leaf(), 0) + offset, number.to_le_bytes()));
        assert_eq!(changed, Damage::Element(place));
    }
    // The second element begins where the first one does.
    let position = u32_at(WHOLE, element(leaf(), 0) + 4).unwrap() - 16;
    let overlap = damage(|bytes| put(bytes, element(leaf(), 1) + 4, position.to_le_bytes()));
    assert_eq!(overlap.to_string(), format!("an entry of page {} does not lie within its page", leaf()));
}

#[test]
fn a_bucket_has_a_header() {
    assert_eq!(Root::of(&[0; 15]).err(), Some(Damage::Bucket));
    assert!(matches!(Root::of(&[0; 16]), Ok(Root::Inline([]))));
    let empty = Page::parse(Place::Inline, &[]).err();
    assert_eq!(
        empty.map(|damage| damage.to_string()).unwrap(),
        "an inline page is neither a branch nor a leaf"
    );
}

#[test]
fn a_file_in_use_is_not_read() {
    let path = std::env::temp_dir().join(format!("bolt-in-use-{}", std::process::id()));
    fs::write(&path, WHOLE).unwrap();
    let holder = File::open(&path).unwrap();
    flock(&holder, FlockOperation::NonBlockingLockExclusive).unwrap();
    let held = Database::open(&path).err();
    drop(holder);
    let free = Database::open(&path);
    fs::remove_file(&path).unwrap();
    assert!(matches!(held, Some(BoltError::InUse)), "{held:?}");
    assert_eq!(free.unwrap().size(), WHOLE.len());
}

#[test]
fn only_files_are_opened() {
    assert!(matches!(Database::open(&std::env::temp_dir()), Err(BoltError::NotAFile)));
    assert!(matches!(Database::open(Path::new("/dev/zero")), Err(BoltError::NotAFile)));
    assert!(matches!(Database::open(Path::new("/no/such/file")), Err(BoltError::Read(_))));
}
