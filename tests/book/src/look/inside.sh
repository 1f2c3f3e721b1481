#!/bin/sh
# The right terminal: first what makes the new namespaces differ, then the questions.
ask() { echo "$MARK $1 $2"; eval "$2" 2>&1; }
ask first "hostname box"
case " $MAKE " in *" --mount "*) ask first "mount -t proc proc /proc" ;; esac
for kind in $KINDS; do echo "$MARK newlabel $kind $(readlink /proc/self/ns/$kind)"; done
while read -r command; do ask inside "$command"; done <<END
$COMMANDS
END
echo > ready
read line < go
