#!/bin/sh
# The right terminal: first what makes the new namespaces differ, then the questions.
ask() { echo "$MARK $1 $2"; eval "$2" 2>&1; }
for kind in $KINDS; do echo "$MARK newlabel $kind $(readlink /proc/self/ns/$kind)"; done
ask first "hostname box"
if test -n "$PROC"; then ask first "$PROC"; fi
while read -r command; do ask inside "$command"; done <<END
$COMMANDS
END
echo > ready
read line < go
