#!/bin/bash
# Runs Kubernetes' own conformance suite against a Pinnace cluster, on demand; docs/conformance.md has the results.
#
#   scripts/conformance.sh build [WORKDIR]          builds e2e.test and the images (Go, a C compiler and Debian's apt)
#   scripts/conformance.sh load [WORKDIR]           loads the images into the image store of `pinnace`
#   scripts/conformance.sh run FOCUS [WORKDIR]      runs what FOCUS (a regular expression) selects, against $KUBECONFIG
#
# WORKDIR is target/conformance by default. `pinnace` must be on the PATH for `load`. The cluster wants two nodes:
# `pinnace up -d --nodes 2`. $SKIP is a regular expression of what is left out; $E2E_FLAGS goes to e2e.test.
set -euo pipefail

version=1.36.3
here=$(dirname "$(realpath "$0")")

prepare_module() {
  local module=$1/module
  mkdir -p "$module"
  [ -e "$module/go.mod" ] && return
  # Kubernetes' own go.mod takes its staging modules from its tree; here they come from their releases.
  local source
  source=$(cd "$module" && go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
  {
    printf 'module conformance\n\n%s\n\ngodebug default=%s\n\n' "$(grep '^go ' "$source")" "go$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' "$source")"
    printf 'require k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
    sed -n 's/^\t\(k8s.io\/[a-z-]*\) => .\/staging.*/\1/p' "$source" | sort -u |
      while read -r name; do printf '\t%s => %s v0.%s\n' "$name" "$name" "${version#*.}"; done
    echo ')'
  } >"$module/go.mod"
  cat >"$module/pins.go" <<-'EOF'
	// Package conformance pins what is built from Kubernetes.
	package conformance

	import (
		_ "k8s.io/kubernetes/test/e2e"
		_ "k8s.io/kubernetes/test/images/agnhost"
		_ "k8s.io/kubernetes/test/images/nonewprivs"
	)
	EOF
  (cd "$module" && go mod tidy -e)
}

build() {
  local work
  mkdir -p "$1"
  work=$(realpath "$1")
  prepare_module "$work"
  export CGO_ENABLED=0
  (cd "$work/module" && nice go test -p 2 -c -o "$work/e2e.test" k8s.io/kubernetes/test/e2e)
  "$work/e2e.test" --list-images 2>/dev/null >"$work/images.list"
  "$here/conformance/images.sh" "$work"
}

load() {
  for image in "$1"/images/*.tar; do pinnace image load -i "$image"; done
}

run() {
  local focus=$1 work=$2
  mkdir -p "$work/report"
  "$work/e2e.test" --provider=skeleton --kubeconfig="${KUBECONFIG:-$HOME/.kube/config}" --num-nodes=2 \
    --ginkgo.focus="$focus" ${SKIP:+--ginkgo.skip="$SKIP"} --ginkgo.no-color --ginkgo.timeout=6h \
    --report-dir="$work/report" --disable-log-dump ${E2E_FLAGS:-}
}

case ${1:-} in
build) build "${2:-target/conformance}" ;;
load) load "${2:-target/conformance}" ;;
run) run "${2:?a focus}" "${3:-target/conformance}" ;;
*)
  sed -n '2,9s/^# \{0,1\}//p' "$0"
  exit 1
  ;;
esac
