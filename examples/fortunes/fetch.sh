#!/bin/sh
# Fetches Debian's packages fortunes, fortunes-min and fortunes-ru and makes one table of them:
# short Russian and English texts, each with the name of the file it stands in as its label.
#
#   examples/fortunes/fetch.sh            writes fortunes.csv into the cache folder
#
# The cache folder is $PINNACE_DATA, else $XDG_CACHE_HOME/pinnace/data, else
# ~/.cache/pinnace/data. No root needed. A second run finds the table and does nothing.
# The texts are GPL-2 and others, see the packages' copyright files: they are not part of this
# repository.
set -eu

cache="${PINNACE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/pinnace/data}"
table="$cache/fortunes.csv"
packages="fortunes fortunes-min fortunes-ru"
# what the packages of Debian 12 give is 34 thousand; far less means that something went wrong
least=30000
longest=400

say() { echo "fortunes: $*" >&2; }
fail() { say "error: $*"; exit 1; }

if [ -s "$table" ]; then
    say "already there: $table"
    echo "$table"
    exit 0
fi
for tool in apt-get dpkg-deb iconv awk; do
    command -v "$tool" >/dev/null || fail "\`$tool\` is needed: run this on Debian or Ubuntu"
done

mkdir -p "$cache"
work="$(mktemp -d "$cache/.fortunes.XXXXXX")"
trap 'rm -rf "$work"' EXIT

# 1. download; without package lists (a fresh container) fetch them into the work folder
mkdir "$work/deb" "$work/lists" "$work/archives" "$work/tree"
cd "$work/deb"
say "downloading $packages"
# shellcheck disable=SC2086 # a list of words
if ! apt-get -q download $packages >"$work/log" 2>&1; then
    say "no package lists at hand, fetching them"
    own="-o Dir::State::Lists=$work/lists -o Dir::Cache=$work/archives -o Debug::NoLocking=1"
    # shellcheck disable=SC2086
    if ! { apt-get -q $own update && apt-get -q $own download $packages; } >"$work/log" 2>&1; then
        cat "$work/log" >&2
        fail "apt-get could not download $packages: is the network up and \`main\` in its sources?"
    fi
fi

# 2. unpack
for package in *.deb; do dpkg-deb -x "$package" "$work/tree"; done

# 3. one table: texts are separated by lines of a single %, some files are KOI8-R
{
    echo "text,label"
    find "$work/tree/usr/share/games/fortunes" -type f ! -name '*.dat' ! -name '*.u8' | LC_ALL=C sort |
        while IFS= read -r file; do
            label="$(basename "$file")"
            if iconv -f UTF-8 -t UTF-8 "$file" >"$work/text" 2>/dev/null; then :; else
                iconv -f KOI8-R -t UTF-8 "$file" >"$work/text" || fail "cannot decode $file"
            fi
            tr -d '\r' <"$work/text" | LC_ALL=C awk -v label="$label" -v longest="$longest" '
                function flush(    characters) {
                    gsub(/[\001-\037\177 ]+/, " ", text)
                    sub(/^ /, "", text); sub(/ $/, "", text)
                    characters = text
                    gsub(/[\200-\277]/, "", characters)
                    if (text != "" && length(characters) < longest) {
                        gsub(/"/, "\"\"", text)
                        printf "\"%s\",%s\n", text, label
                    }
                    text = ""
                }
                /^%[ \t]*$/ { flush(); next }
                { text = text " " $0 }
                END { flush() }'
        done
} >"$work/fortunes.csv"

rows="$(($(wc -l <"$work/fortunes.csv") - 1))"
[ "$rows" -ge "$least" ] || fail "only $rows texts found, at least $least expected"
labels="$(find "$work/tree/usr/share/games/fortunes" -type f ! -name '*.dat' ! -name '*.u8' | wc -l)"
mv "$work/fortunes.csv" "$table"
say "$rows texts from $labels files written to $table"
echo "$table"
