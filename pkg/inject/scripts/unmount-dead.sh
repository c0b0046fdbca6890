fluid_unmount() { while fluid_mounted && ! [ -e "$fluid_path" ]; do umount -l "$fluid_path" || return; done; }
