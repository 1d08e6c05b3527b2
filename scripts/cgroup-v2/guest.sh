#!/bin/bash
# What the virtual machine of run.sh does: scenarios with checks, as root, as the user `ann`. Each line of a verdict
# begins with `##`.
exec > /dev/ttyS0 2>&1
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
failed=0

say() { echo "## $*"; }

check() { # NAME EXPECTED FOUND
  if [ "$2" = "$3" ]; then
    say "ok: $1 ($3)"
  else
    say "FAILED: $1: expected '$2', found '$3'"
    failed=1
  fi
}

until_true() { # SECONDS COMMAND...: by the clock that nobody sets
  local end=$(($(uptime_seconds) + $1))
  shift
  until "$@"; do
    [ "$(uptime_seconds)" -lt $end ] || return 1
    sleep 0.3
  done
}

uptime_seconds() { cut -d. -f1 /proc/uptime; }

as() { # root|ann COMMAND...: the user has what a login gives him
  local who=$1 id
  shift
  if [ "$who" = root ]; then
    HOME=~root "$@"
  else
    id=$(id -u ann)
    runuser -u ann -- env HOME=/home/ann XDG_RUNTIME_DIR=/run/user/$id \
      DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$id/bus "$@"
  fi
}

pod() { # NAME COMMAND LIMITS PROBES
  cat <<POD
---
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  restartPolicy: ${5:-Always}
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, image: 'busybox:1', command: [sh, -c, '$2'], resources: {limits: {$3}}$4}
POD
}

busybox_image() { # FILE: as docker save writes it
  local folder
  folder=$(mktemp -d)
  mkdir -p "$folder"/tree/{bin,tmp,etc}
  cp /bin/busybox "$folder/tree/bin/"
  for tool in sh cat tail sleep mkdir true; do ln -s busybox "$folder/tree/bin/$tool"; done
  tar -C "$folder/tree" -cf "$folder/layer.tar" .
  local sum
  sum=$(sha256sum "$folder/layer.tar" | cut -d' ' -f1)
  echo '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:'"$sum"'"]}}' > "$folder/config.json"
  echo '[{"Config":"config.json","RepoTags":["busybox:1"],"Layers":["layer.tar"]}]' > "$folder/manifest.json"
  tar -C "$folder" -cf "$1" manifest.json config.json layer.tar
  chmod 644 "$1"
}

run_pods() { # WHO
  as "$1" pinnace image load -i /tmp/busybox.tar > /dev/null
  {
    pod limited 'while :; do :; done' 'memory: 64Mi, cpu: 200m'
    pod greedy 'tail /dev/zero' 'memory: 32Mi' '' Never
    pod child 'tail /dev/zero & wait; sleep 1000' 'memory: 32Mi' '' Never
    pod plain 'sleep 10000'
  } > /tmp/pods.yaml
  as "$1" kubectl apply -f /tmp/pods.yaml > /dev/null
  until_true 120 as "$1" kubectl wait --for=condition=Ready pod/limited pod/plain --timeout=20s > /dev/null ||
    as "$1" kubectl describe pods
}

limits_enforced() { # WHO: what the node says of itself
  as "$1" kubectl get nodes -o jsonpath='{range .items[0].status.conditions[?(@.type=="LimitsNotEnforced")]}{.reason}{end}'
}

ended_as() { # WHO POD
  local state='{.status.containerStatuses[0].state.terminated.reason}'
  ended() { [ -n "$(as "$1" kubectl get pod "$2" -o jsonpath="$state")" ]; }
  until_true 60 ended "$1" "$2"
  as "$1" kubectl get pod "$2" -o jsonpath="$state"
}

limits_hold() { # WHO
  local who=$1 before after begin end share
  check "the node's condition" LimitsEnforced "$(limits_enforced "$who")"
  run_pods "$who"
  in_pod() { as "$who" kubectl exec limited -- cat "/sys/fs/cgroup/$1" 2>&1; }
  used() { in_pod cpu.stat | awk '/usage_usec/ {print $2}'; }
  check memory.max 67108864 "$(in_pod memory.max)"
  check cpu.max "20000 100000" "$(in_pod cpu.max)"
  check pids.max 4096 "$(in_pod pids.max)"
  check memory.oom.group 1 "$(in_pod memory.oom.group)"
  before=$(used) begin=$(date +%s%N)
  sleep 5
  after=$(used) end=$(date +%s%N)
  share=$(((after - before) * 1000000 / (end - begin)))
  say "a busy container took $share thousandths of a core of 200"
  check "CPU time" held "$([ $share -le 220 ] && echo held)"
  check "beyond its memory" OOMKilled "$(ended_as "$who" greedy)"
  check "a child beyond it" OOMKilled "$(ended_as "$who" child)"
  check "a container's own groups" refused \
    "$(as "$who" kubectl exec limited -- mkdir /sys/fs/cgroup/x > /dev/null 2>&1 || echo refused)"
  local patch='{"spec":{"containers":[{"name":"c","resources":{"requests":{"memory":"96Mi","cpu":"300m"},"limits":{"memory":"96Mi","cpu":"300m"}}}]}}'
  as "$who" kubectl patch pod limited --subresource resize -p "$patch" > /dev/null
  resized() { [ "$(in_pod memory.max) $(in_pod cpu.max)" = "100663296 30000 100000" ]; }
  check "a resize" done "$(until_true 30 resized && echo done)"
}

main_pid() { tr -d '\n' < /home/ann/.local/share/pinnace/clusters/pinnace/cluster.json | sed -n 's/.*"main": *{[^}]*"pid": *\([0-9]*\).*/\1/p'; }

scenario_root() {
  as root pinnace up -d
  limits_hold root
  as root pinnace down --purge
  check "groups that are left" "" "$(find /sys/fs/cgroup -name 'pinnace*')"
}

# As the guide says.
scenario_user() {
  as ann systemd-run --user --scope -q -p Delegate=yes pinnace up -d
  limits_hold ann
  as ann pinnace down --purge
}

# A group that root has given away, with nobody else in it.
scenario_chown() {
  echo "+memory +cpu +pids" > /sys/fs/cgroup/cgroup.subtree_control
  mkdir -p /sys/fs/cgroup/ann
  chown ann /sys/fs/cgroup/ann /sys/fs/cgroup/ann/cgroup.{procs,threads,subtree_control}
  HOME=/home/ann bash -c 'echo $$ > /sys/fs/cgroup/ann/cgroup.procs
    exec setpriv --reuid ann --regid ann --init-groups pinnace up -d'
  limits_hold ann
  as ann pinnace down --purge
}

# Killed and started again, in another unit of the user's and out of any.
scenario_adopted() {
  as ann systemd-run --user --scope -q -p Delegate=yes pinnace up -d
  run_pods ann
  kill -9 "$(main_pid)"
  until_true 20 sh -c "! kill -0 $(main_pid) 2> /dev/null"
  as ann systemd-run --user --scope -q pinnace up -d
  as ann kubectl delete -f /tmp/pods.yaml --now > /dev/null
  limits_hold ann
  kill -9 "$(main_pid)"
  until_true 20 sh -c "! kill -0 $(main_pid) 2> /dev/null"
  as ann pinnace up -d
  check "the node's condition outside" NoDelegatedControlGroup "$(limits_enforced ann)"
  check "pods that ran" 2 "$(as ann kubectl get pods --no-headers | grep -c ' 1/1 .* Running ')"
  as ann kubectl delete -f /tmp/pods.yaml --now > /dev/null
  run_pods ann
  check "a new pod" Running "$(as ann kubectl get pod plain -o jsonpath='{.status.phase}')"
  check "beyond its memory" OOMKilled "$(ended_as ann greedy)"
  as ann pinnace down --purge
}

# An ordinary user with nothing but cgroup v2 to look at.
scenario_none() {
  as ann pinnace up -d
  check "the node's condition" NoDelegatedControlGroup "$(limits_enforced ann)"
  run_pods ann
  check "beyond its memory" OOMKilled "$(ended_as ann greedy)"
  as ann pinnace down --purge
}

# The date is set forward and back under pods with probes, one that crashes, and the node's lease.
scenario_date() {
  as root pinnace up -d
  as root pinnace image load -i /tmp/busybox.tar > /dev/null
  local probe='{exec: {command: ["true"]}, periodSeconds: 3, timeoutSeconds: 20, failureThreshold: 2}'
  {
    pod probed 'sleep 100000' '' ", readinessProbe: $probe, livenessProbe: $probe"
    pod crashing 'exit 1'
  } > /tmp/date.yaml
  as root kubectl apply -f /tmp/date.yaml > /dev/null
  as root kubectl wait --for=condition=Ready pod/probed --timeout=60s
  local columns='KIND:.kind,NAME:.metadata.name,READY:.status.conditions[?(@.type=="Ready")].status'
  local watches=()
  for kind in nodes pods; do
    as root kubectl get $kind --watch -o custom-columns="$columns" >> /tmp/watched &
    watches+=($!)
  done
  for step in "+1 hour" "-3 hours" "+2 hours"; do
    date -s "$step" > /dev/null
    say "the date was set by $step"
    sleep 25
  done
  kill "${watches[@]}"
  sort /tmp/watched | uniq -c
  check "node and pod were watched" 2 "$(grep -cE '^(Node +pinnace|Pod +probed)' <(sort -u /tmp/watched))"
  check "nobody stopped being ready" "" "$(grep -E '^(Node|Pod +probed)' /tmp/watched | grep -v True)"
  local restarts='{.status.containerStatuses[0].restartCount}'
  check "restarts of the probed" 0 "$(as root kubectl get pod probed -o jsonpath="$restarts")"
  local crashes
  crashes=$(as root kubectl get pod crashing -o jsonpath="$restarts")
  say "the one that crashes was started again $crashes times"
  check "its back-off" kept "$([ "$crashes" -ge 3 ] && [ "$crashes" -le 5 ] && echo kept)"
  as root pinnace down --purge
}

say "kernel $(uname -r), $(stat -fc %T /sys/fs/cgroup): $(cat /sys/fs/cgroup/cgroup.controllers)"
busybox_image /tmp/busybox.tar
id ann > /dev/null 2>&1 || useradd -m -s /bin/bash ann
loginctl enable-linger ann
until_true 120 test -S "/run/user/$(id -u ann)/bus"
[ $# -gt 0 ] || set -- root user chown adopted none date
for scenario in "$@"; do
  say "scenario $scenario"
  "scenario_$scenario"
done
say "done: $([ $failed = 0 ] && echo passed || echo FAILED)"
sync
poweroff
