fluid_look() {
  while [ $# -gt 0 ]; do
    if fluid_mounted "$1" "$2" "$3"; then shift 3; else sleep 0.05 || sleep 1; fi
  done
}
fluid_state() (
  state="nothing is mounted at $1" found=1
  while read -r id parent device root at rest; do
    [ "$at" = "$1" ] || continue
    rest=${rest#* - } type=${rest%% *} rest=${rest#* } path=
    [ -z "$3" ] || path="has no path /$3 within it, or "
    case "$type $rest" in
      *"$2"*) found=0 state="the file system $type at $1 ${path}doesn't answer" ;;
      *) found=1 state="the file system at $1 is $type from ${rest%% *}, and not $2" ;;
    esac
  done </proc/self/mountinfo
  printf %.1000s "$state"
  exit "$found"
)
fluid_cause() (
  answer=
  while [ $# -gt 0 ]; do
    state=$(fluid_state "$1" "$2" "$3") || { echo "$state"; exit; }
    answer=${answer:-$state}
    shift 3
  done
  echo "$answer"
)
fluid_limit=$1; shift
[ $# -gt 0 ] || exit 0
sleep "$fluid_limit" >/dev/null 2>&1 & fluid_clock=$!
{ fluid_look "$@"; kill "$fluid_clock"; } >/dev/null 2>&1 & fluid_looker=$!
wait "$fluid_clock" || exit 0
kill -9 "$fluid_looker" 2>/dev/null
fluid_words="$(fluid_cause "$@") (waited for $fluid_limit s)"
for fluid_to in /dev/termination-log /proc/1/fd/2; do { echo "$fluid_words" >"$fluid_to"; } 2>/dev/null; done
echo "$fluid_words" >&2
exit 1
