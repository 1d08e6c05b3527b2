//! Unpacking layers.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use image::{Ownership, remove_folder};
use tar::{EntryType, Header};

use crate::support::{Fixture, Tar, attributes, is_root, listing};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn files_folders_and_links_come_out_as_they_went_in() {
    let fixture = Fixture::new();
    let layer = Tar::default()
        .folder("./", 0o755)
        .folder("bin/", 0o555)
        .entry(EntryType::Regular, "bin/tool", "", 0o4755, b"program")
        .hard_link("bin/same", "bin/tool")
        .link("sh", "bin/tool")
        .link("broken", "/no/such/file")
        .file("without/parent", "text")
        .finish();
    let folder = &fixture.unpack(&[layer])[0];
    let expected = [
        "d bin",
        "d without",
        "f bin/same program",
        "f bin/tool program",
        "f without/parent text",
        "l broken -> /no/such/file",
        "l sh -> bin/tool",
    ];
    assert_eq!(listing(folder), expected);
    assert_eq!((mode(&folder.join("bin")), mode(&folder.join("bin/tool"))), (0o555, 0o4755));
    assert_eq!((mode(folder), mode(&folder.join("without"))), (0o755, 0o755));
    let inode = |name| fs::metadata(folder.join(name)).unwrap().ino();
    assert_eq!(inode("bin/tool"), inode("bin/same"));
    for name in ["bin", "bin/tool", "sh", "."] {
        let modified = fs::symlink_metadata(folder.join(name)).unwrap().mtime();
        assert_eq!(modified, 1_000_000_000, "{name}");
    }
    remove_folder(folder).unwrap();
    assert!(!folder.exists());
}

#[test]
fn owners_are_kept_by_root_and_dropped_on_request() {
    if !is_root("who owns unpacked files") {
        return;
    }
    let fixture = Fixture::new();
    let mut header = Header::new_ustar();
    header.set_path("file").unwrap();
    header.set_mode(0o4755);
    header.set_uid(33);
    header.set_gid(44);
    header.set_size(0);
    let image = fixture.add_image("test", &[Tar::default().raw(&mut header, b"").finish()]);
    let owner = |ownership| {
        let folders = fixture.store.unpack(&image, &fixture.snapshots(), ownership).unwrap();
        let metadata = fs::metadata(folders[0].join("file")).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    assert_eq!(owner(Ownership::Kept), (33, 44, 0o4755));
    assert_eq!(owner(Ownership::CurrentUser), (0, 0, 0o4755));
}

#[test]
fn removals_become_the_marks_of_overlayfs() {
    let fixture = Fixture::new();
    let below = Tar::default()
        .folder("dir/", 0o755)
        .file("dir/a", "a")
        .file("dir/b", "b")
        .folder("other/", 0o755)
        .file("other/c", "c")
        .file("gone", "")
        .finish();
    let above = Tar::default()
        .file("dir/.wh.a", "")
        .file(".wh.gone", "")
        .folder("other/", 0o755)
        .file("other/.wh..wh..opq", "")
        .file("other/d", "d")
        .file(".wh..wh.plnk", "")
        .finish();
    let folders = fixture.unpack(&[below, above]);
    assert_eq!(listing(&folders[1]), ["d dir", "f other/d d", "o other", "w dir/a", "w gone"]);
}

#[test]
fn a_layer_may_remove_and_replace_a_name_in_either_order() {
    let fixture = Fixture::new();
    let below = Tar::default().file("one/a", "a").file("two/a", "a").file("three", "3").finish();
    let above = Tar::default()
        .file(".wh.one", "")
        .file("one/b", "b")
        .folder("two/", 0o755)
        .file("two/b", "b")
        .file(".wh.two", "")
        .file("three", "III")
        .file(".wh.three", "")
        .finish();
    let folders = fixture.unpack(&[below, above]);
    assert_eq!(listing(&folders[1]), ["f one/b b", "f three III", "f two/b b", "o one", "o two"]);
}

#[test]
fn the_kernel_stacks_the_folders_to_what_the_image_means() {
    let fixture = Fixture::new();
    let below = Tar::default().file("dir/a", "a").file("dir/b", "b").file("other/c", "c").finish();
    let above =
        Tar::default().file("dir/.wh.a", "").file("other/.wh..wh..opq", "").file("other/d", "d").finish();
    let folders = fixture.unpack(&[below, above]);
    // An ordinary user may mount in a user namespace, where the marks are other attributes.
    let (namespaces, option): (&[&str], _) = if is_root("overlayfs as root") {
        (&["--mount"], "")
    } else {
        (&["--map-root-user", "--mount"], ",userxattr")
    };
    let script = format!(
        "mount -t overlay overlay -o lowerdir={}:{}{option} /mnt && cd /mnt && find . -type f | sort",
        folders[1].display(),
        folders[0].display()
    );
    let output = Command::new("unshare").args(namespaces).args(["sh", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "./dir/b\n./other/d\n");
}

#[test]
fn what_a_layer_leaves_out_comes_from_the_layers_below() {
    let fixture = Fixture::new();
    let bottom = Tar::default()
        .folder("./", 0o711)
        .folder("tmp/", 0o1777)
        .folder("usr/", 0o755)
        .folder("usr/lib/", 0o750)
        .link("lib", "usr/lib")
        .file("usr/lib/original", "text")
        .finish();
    let middle = Tar::default().file("unrelated", "").finish();
    let top = Tar::default()
        .file("tmp/file", "")
        .file("lib/new", "new")
        .hard_link("usr/lib/copy", "usr/lib/original")
        .finish();
    let folders = fixture.unpack(&[bottom, middle, top]);
    let expected = [
        "d tmp",
        "d usr",
        "d usr/lib",
        "f tmp/file ",
        "f usr/lib/copy text",
        "f usr/lib/new new",
        "f usr/lib/original text",
    ];
    assert_eq!(listing(&folders[2]), expected);
    assert_eq!(mode(&folders[2].join("tmp")), 0o1777);
    assert_eq!(mode(&folders[2].join("usr/lib")), 0o750);
    assert_eq!((mode(&folders[1]), mode(&folders[2])), (0o711, 0o711));
}

#[test]
fn later_entries_replace_earlier_ones() {
    let fixture = Fixture::new();
    let layer = Tar::default()
        .file("a", "first")
        .file("a", "second")
        .file("dir/x", "x")
        .file("dir", "now a file")
        .link("link", "a")
        .file("link", "now a file")
        .folder("kept/", 0o700)
        .file("kept/x", "x")
        .folder("kept/", 0o711)
        .finish();
    let folder = &fixture.unpack(&[layer])[0];
    let expected = ["d kept", "f a second", "f dir now a file", "f kept/x x", "f link now a file"];
    assert_eq!(listing(folder), expected);
    assert_eq!(mode(&folder.join("kept")), 0o711);
}

#[test]
fn attributes_that_mean_something_to_overlayfs_are_left_out() {
    let fixture = Fixture::new();
    let layer = Tar::default()
        .file_with_attribute("kept", "SCHILY.xattr.user.comment", "fine")
        .file_with_attribute("a", "SCHILY.xattr.user.overlay.opaque", "y")
        .file_with_attribute("b", "SCHILY.xattr.trusted.overlay.redirect", "/etc")
        .file_with_attribute("c", "SCHILY.xattr.security.selinux", "label")
        .finish();
    let folder = &fixture.unpack(&[layer])[0];
    for name in ["a", "b", "c"] {
        let found = attributes(&folder.join(name));
        assert!(!found.iter().any(|name| name.contains("overlay")), "{name}: {found:?}");
    }
    let supports_user_attributes =
        rustix::fs::setxattr(folder, "user.probe", b"1", rustix::fs::XattrFlags::empty()).is_ok();
    if supports_user_attributes {
        assert_eq!(attributes(&folder.join("kept")), ["user.comment"]);
    } else {
        println!("the disk keeps no extended attributes: that they are kept is not checked");
    }
}

#[test]
fn pipes_are_made_and_devices_only_where_allowed() {
    let fixture = Fixture::new();
    let device = |kind, path: &str, minor| {
        let mut header = Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_entry_type(kind);
        header.set_mode(0o666);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header.set_device_major(if minor == 0 { 0 } else { 1 }).unwrap();
        header.set_device_minor(minor).unwrap();
        header
    };
    let layer = Tar::default()
        .entry(EntryType::Fifo, "pipe", "", 0o622, b"")
        .raw(&mut device(EntryType::Char, "null", 3), b"")
        .raw(&mut device(EntryType::Char, "whiteout", 0), b"")
        .finish();
    let folder = &fixture.unpack(&[layer])[0];
    assert_eq!(mode(&folder.join("pipe")), 0o622);
    assert!(!folder.join("whiteout").exists(), "a layer can't smuggle in a removal as a device");
    if is_root("that devices are made") {
        assert_eq!(fs::metadata(folder.join("null")).unwrap().rdev(), rustix::fs::makedev(1, 3));
        assert_eq!(mode(&folder.join("null")), 0o666);
    }
}
