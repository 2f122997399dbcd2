# Distributed under the terms of the MIT licence

EAPI=8

inherit acct-user

DESCRIPTION="User of the package-cache daemon"

# Any free number: only ::gentoo assigns fixed ones.
ACCT_USER_ID=-1
# Portage's group, as the original had it: PC_GROUP in conf.d.
ACCT_USER_GROUPS=( portage )

acct-user_add_deps
