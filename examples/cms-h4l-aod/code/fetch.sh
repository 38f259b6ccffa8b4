# fetch.sh REPOSITORY COMMIT OUTPUT: the analyzer at one commit, as an archive.
set -e
repository=$1 commit=$2 output=$PWD/$3
mkdir -p "$(dirname "$output")"
work=$(mktemp -d)
git clone --quiet "$repository" "$work/clone"
cd "$work/clone"
git checkout --quiet "$commit"
test "$(git rev-parse HEAD)" = "$commit"
git archive --format=tar HEAD code/HiggsExample20112012 | gzip -n >"$output"
