# Writes options whose values are in Secrets into a properties file. Arguments: the file, then names and files in turn.
umask 077
site=$1
shift
: >"$site" && chmod 0640 "$site" || exit 1
while [ $# -gt 1 ]; do
  if ! [ -r "$2" ]; then
    key=${2##*/} directory=${2%/*}
    printf %s "Secret ${directory##*/} doesn't exist, or has no key $key" >/dev/termination-log
    exit 1
  fi
  # A backslash in a value of a properties file is written twice.
  rest=$(cat "$2") value=''
  while :; do
    case $rest in
      *\\*) value="$value${rest%%\\*}\\\\" rest=${rest#*\\} ;;
      *) break ;;
    esac
  done
  printf '%s=%s\n' "$1" "$value$rest" >>"$site"
  shift 2
done
