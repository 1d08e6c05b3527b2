#!/bin/bash
# Packs the images that Kubernetes' conformance tests ask for, from Debian packages and the suite's own Go sources.
# Usage: images.sh WORKDIR   (called by ../conformance.sh, which has prepared WORKDIR/module)
# Result: WORKDIR/images/*.tar, each as `docker save` writes them, under the exact names the suite uses.
set -euo pipefail

work=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
images=$work/images
roots=$work/roots
debs=$work/debs
mkdir -p "$images" "$roots" "$debs"
suite=$(cd "$work/module" && go list -m -f '{{.Dir}}' k8s.io/kubernetes)

# The applets' names as a Debian machine lays them out: /bin and /sbin are links into /usr.
new_root() {
  local root=$roots/$1
  rm -rf "$root"
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64,local/bin} "$root"/{etc,tmp,var/tmp,var/run,root,home,proc,sys,dev}
  chmod 1777 "$root/tmp" "$root/var/tmp"
  for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  cat >"$root/etc/passwd" <<-'EOF'
	root:x:0:0:root:/root:/bin/sh
	daemon:x:1:1:daemon:/usr/sbin:/bin/false
	bin:x:2:2:bin:/bin:/bin/false
	www-data:x:33:33:www-data:/var/www:/bin/false
	nobody:x:65534:65534:nobody:/home:/bin/false
	EOF
  cat >"$root/etc/group" <<-'EOF'
	root:x:0:
	daemon:x:1:
	bin:x:2:
	www-data:x:33:
	nogroup:x:65534:
	EOF
  echo "$root"
}

# Unpacks Debian packages with all they depend on. No maintainer script runs, so no root is needed.
add_packages() {
  local root=$1 names
  shift
  names=$(apt-get -o Dir::State::status=/dev/null --no-install-recommends -s install "$@" | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
  # Debian configures these at installation only; nothing of them runs in a container.
  names=$(grep -vxE 'debconf|mawk|libaudit-common|libtirpc-common|libsasl2-modules-db' <<<"$names")
  local missing=()
  for name in $names; do
    ls "$debs/$name"_*.deb >/dev/null 2>&1 || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] || (cd "$debs" && apt-get -qq download "${missing[@]}")
  for name in $names; do
    dpkg-deb --fsys-tarfile "$(ls "$debs/$name"_*.deb | head -1)" |
      tar -x -C "$root" --keep-directory-symlink --no-same-owner --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/locale'
  done
}

# Fills in, as links to busybox, the commands that no package has brought.
add_applets() {
  local root=$1
  [ -x "$work/busybox" ] || {
    (cd "$debs" && apt-get -q download busybox-static >/dev/null)
    dpkg-deb --fsys-tarfile "$debs"/busybox-static_*.deb | tar -x -O ./bin/busybox >"$work/busybox"
    chmod 755 "$work/busybox"
  }
  cp "$work/busybox" "$root/usr/bin/busybox"
  # busybox as a shell prefers its own commands to those on the path
  [ ! -e "$root/usr/bin/dash" ] || ln -sf dash "$root/usr/bin/sh"
  "$work/busybox" --list | while read -r applet; do
    [ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
  done
}

# pack FILE CONFIG-JSON NAME...: writes one image of one layer, the root of the same name as FILE.
pack() {
  local file=$1 config=$2 tmp diff_id tags
  shift 2
  tmp=$(mktemp -d "$work/pack.XXXXXX")
  tar -c -C "$roots/$file" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -f "$tmp/layer.tar" .
  diff_id=$(sha256sum "$tmp/layer.tar" | cut -d' ' -f1)
  tags=$(printf '"%s",' "$@")
  printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created_by":"conformance"}]}' \
    "$(go env GOARCH)" "$config" "$diff_id" >"$tmp/config.json"
  printf '[{"Config":"config.json","RepoTags":[%s],"Layers":["layer.tar"]}]' "${tags%,}" >"$tmp/manifest.json"
  tar -c -C "$tmp" -f "$images/$file.tar" manifest.json config.json layer.tar
  rm -rf "$tmp"
  echo "packed $file.tar: $*"
}

# Static, as the suite itself is built: the two share most of what is compiled.
build() { (cd "$work/module" && CGO_ENABLED=${CGO_ENABLED:-0} nice go build -p 2 -o "$1" "$2"); }

# The name and version the suite asks for, by the name alone: `image agnhost 1` is the first of them.
image() { grep "/$1:" "$work/images.list" | sort | sed -n "${2:-1}p"; }
path='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'

root=$(new_root busybox)
add_applets "$root"
pack busybox "{$path,\"Cmd\":[\"sh\"]}" $(grep "e2e-test-images/busybox:" "$work/images.list")

root=$(new_root pause)
rm -rf "${root:?}"/*
cc -Os -Wall -static -DVERSION=3.10 -o "$root/pause" "$suite/build/pause/linux/pause.c"
pack pause "{$path,\"User\":\"65535:65535\",\"Entrypoint\":[\"/pause\"]}" "$(image pause)"

root=$(new_root agnhost)
add_packages "$root" bash dash coreutils curl bind9-dnsutils libc-bin netcat-openbsd iproute2 util-linux iputils-ping
ln -sf nc.openbsd "$root/usr/bin/nc"
add_applets "$root"
build "$root/agnhost" k8s.io/kubernetes/test/images/agnhost
ln -s agnhost "$root/agnhost-2"
mkdir -p "$root/uploads" "$root/var/registry"
cp "$suite"/test/images/agnhost/porter/localhost.{crt,key} "$root/"
echo 'user-defined-in-image:x:1000:1000::/tmp:/bin/sh' >>"$root/etc/passwd"
printf 'user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n' >>"$root/etc/group"
ports='"ExposedPorts":{"80/tcp":{},"8080/tcp":{},"8081/tcp":{},"9376/tcp":{},"5000/tcp":{}}'
pack agnhost "{$path,$ports,\"Entrypoint\":[\"/agnhost\"],\"Cmd\":[\"pause\"]}" $(grep 'registry.k8s.io/e2e-test-images/agnhost:' "$work/images.list")

for name in kitten nautilus; do
  rm -rf "$roots/$name"
  cp -al "$roots/agnhost" "$roots/$name"
  cp "$suite/test/images/$name/html/$name.jpg" "$suite/test/images/$name/html/data.json" "$roots/$name/"
  pack "$name" "{$path,$ports,\"Entrypoint\":[\"/agnhost\"],\"Cmd\":[\"test-webserver\"]}" "$(image "$name")"
done

root=$(new_root nonewprivs)
add_applets "$root"
CGO_ENABLED=0 build "$root/usr/local/bin/nnp" k8s.io/kubernetes/test/images/nonewprivs
chmod 4755 "$root/usr/local/bin/nnp"
pack nonewprivs "{$path,\"Cmd\":[\"nnp\"]}" "$(image nonewprivs)"

root=$(new_root glibc)
add_packages "$root" bash dash coreutils bind9-dnsutils libc-bin util-linux
add_applets "$root"
pack glibc "{$path,\"Cmd\":[\"bash\"]}" "$(image glibc-dns-testing)" "$(image ipc-utils)"

rm -rf "$roots/nonroot"
cp -al "$roots/glibc" "$roots/nonroot"
pack nonroot "{$path,\"User\":\"1234\",\"Cmd\":[\"bash\"]}" "$(image nonroot)"

root=$(new_root nginx)
add_packages "$root" nginx-light
rm -rf "$root/etc/nginx/modules-enabled" "$root/etc/nginx/sites-enabled" "$root/etc/nginx/conf.d"
mkdir -p "$root/usr/share/nginx/html" "$root/var/lib/nginx" "$root/var/log/nginx" "$root/run"
cp "$here/nginx.conf" "$root/etc/nginx/nginx.conf"
echo '<html><body><h1>It works!</h1></body></html>' >"$root/usr/share/nginx/html/index.html"
add_applets "$root"
pack nginx "{$path,\"ExposedPorts\":{\"80/tcp\":{}},\"Cmd\":[\"nginx\",\"-g\",\"daemon off;\"],\"StopSignal\":\"SIGQUIT\"}" "$(image nginx 1)" "$(image nginx 2)"
