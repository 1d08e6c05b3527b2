#!/bin/bash
# Proves in a virtual machine what this machine may not have: cgroup v2 alone, systemd, delegation, and a date that
# can be set. Debian's own kernel and userland, software emulation: a few minutes.
#
#   scripts/cgroup-v2/run.sh PROGRAM [SCENARIO...]       all of guest.sh, or only these
#
# Wants root, and Debian's debootstrap, qemu-system-x86, e2fsprogs; kubectl on the PATH. $WORKDIR (by default
# target/cgroup-v2) keeps the userland for the next time. Prints what the guest says; fails if a check there does.
set -euo pipefail

program=$(realpath "$1")
shift
here=$(dirname "$(realpath "$0")")
work=${WORKDIR:-$here/../../target/cgroup-v2}
packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,uidmap,kmod,iproute2,procps,busybox-static
mkdir -p "$work"
cd "$work"

if [ ! -e root/boot/made ]; then
  rm -rf root
  debootstrap --variant=minbase --include="$packages,initramfs-tools,zstd" bookworm root "${MIRROR:-http://deb.debian.org/debian}"
  # The kernel comes later: its initramfs wants initramfs-tools to be there.
  cp /etc/resolv.conf root/etc/resolv.conf
  DEBIAN_FRONTEND=noninteractive chroot root apt-get install -y --no-install-recommends linux-image-amd64
  touch root/boot/made
fi

cp "$program" root/usr/local/bin/pinnace
cp -L "$(command -v kubectl)" root/usr/local/bin/kubectl
install -m 755 "$here/guest.sh" root/usr/local/bin/guest.sh
cat > root/etc/systemd/system/prove.service <<UNIT
[Unit]
After=multi-user.target
[Service]
Type=idle
ExecStart=/usr/local/bin/guest.sh $*
UNIT
mkdir -p root/etc/systemd/system/multi-user.target.wants
ln -sf ../prove.service root/etc/systemd/system/multi-user.target.wants/prove.service
echo guest > root/etc/hostname

rm -f disk.img
truncate -s 3G disk.img
mkfs.ext4 -q -F -d root disk.img
qemu-system-x86_64 -accel tcg -m 2048 -smp 2 -nographic -no-reboot \
  -kernel root/boot/vmlinuz-* -initrd root/boot/initrd.img-*-amd64 \
  -append "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0" \
  -drive file=disk.img,format=raw,if=virtio,cache=unsafe < /dev/null | sed -u 's/\r//g' | tee console.log
grep -q '^## done: passed$' console.log
