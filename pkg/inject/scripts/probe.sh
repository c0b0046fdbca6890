fluid_mounted "$1" "$2" "$3"
