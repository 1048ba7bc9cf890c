"""A hosts file, and gonogo's block for it."""

TEXT = "127.0.0.1\tlocalhost\n# 1.2.3.4 app.smallpayroll.test\n::1 localhost ip6-localhost"
BLOCK = (
    "# BEGIN gonogo hosts smallpayroll\n192.0.2.4 app.smallpayroll.test www.smallpayroll.test\n"
    "# END gonogo hosts smallpayroll\n"
)
