#!/bin/bash
# Measures the Ingress's proxy and nginx in turn, before one application, with clients of the same machine.
#   scripts/ingress-and-nginx.sh PROGRAM [SECONDS [ROUNDS]]
# PROGRAM is the example `ingress_load`, built with --release. Prints a line for each run: the CPU that the proxy
# spent on a request, requests a second, and how long they took. For docs/benchmarks.md.
set -eu
program=$1 seconds=${2:-2} rounds=${3:-3}
base=${PORT:-7900}
folder=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2> /dev/null || true; rm -rf "$folder"' EXIT

"$program" certificate "$folder"
mkdir "$folder/logs"
cat > "$folder/nginx.conf" << END
worker_processes 2;
pid $folder/nginx.pid;
error_log $folder/logs/error.log;
daemon off;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path $folder/body; proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/f; uwsgi_temp_path $folder/u; scgi_temp_path $folder/s;
    upstream app { server 127.0.0.1:$((base)); keepalive 256; keepalive_requests 1000000; }
    server {
        listen 127.0.0.1:$((base + 3));
        listen 127.0.0.1:$((base + 4)) ssl http2;
        ssl_certificate $folder/tls.crt;
        ssl_certificate_key $folder/tls.key;
        server_name jokemeter.localhost;
        location / {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host \$host;
            proxy_set_header X-Real-IP \$remote_addr;
            proxy_set_header X-Forwarded-For \$remote_addr;
            proxy_set_header X-Forwarded-Host \$http_host;
            proxy_set_header X-Forwarded-Port \$server_port;
            proxy_set_header X-Forwarded-Proto \$scheme;
        }
    }
}
END
"$program" app $((base)) & pids+=($!)
"$program" proxy $((base + 1)) $((base + 2)) "$folder" $((base)) & ours=$!; pids+=($ours)
nginx -c "$folder/nginx.conf" -p "$folder" & pids+=($!); nginx=$!
for port in 0 1 2 3 4; do
    until (exec 3<> "/dev/tcp/127.0.0.1/$((base + port))") 2> /dev/null; do sleep 0.05; done
done

# CPU time of a process and its children so far, in ticks of 10 ms.
ticks() {
    for pid in $1 $(pgrep -P "$1"); do cat "/proc/$pid/stat"; done | awk '{ sum += $14 + $15 } END { print sum }'
}

run() { # NAME PID PORT CONNECTIONS [WORDS...]
    local name=$1 pid=$2 before after said; shift 2
    before=$(ticks "$pid")
    said=$("$program" load "$1" "$2" "$seconds" "${@:3}")
    after=$(ticks "$pid")
    awk -v said="$said" -v ticks=$((after - before)) -v what="$name, $2 ${*:3}" \
        'BEGIN { split(said, word, " "); printf "%-28s %6.1f us  %s\n", what, ticks * 10000 / word[1], said }'
}

for connections in ${CONNECTIONS:-1 16 64 256}; do
    for way in ${WAYS:-kept fresh tls fresh,tls http2}; do
        words=${way//,/ }; words=${words#kept}
        shift_by=0; case $way in *tls | http2) shift_by=1 ;; esac
        for _ in $(seq "$rounds"); do
            run ours "$ours" $((base + 1 + shift_by)) "$connections" $words
            run nginx "$nginx" $((base + 3 + shift_by)) "$connections" $words
        done
    done
done
