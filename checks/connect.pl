# Arguments: name or address, port, and so on, all tried at once. Our own filter's refusal is one that no closed port
# gives; an answer, a refusal or silence from elsewhere means that the filter let the attempt out.
use strict; use Socket; use Errno;
while (my ($host, $port) = splice @ARGV, 0, 2) {
  next if fork;
  my $address = inet_aton($host) or do { print "$host $port unknown\n"; exit };
  socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
  $SIG{ALRM} = sub { print "$host $port silence\n"; exit };
  alarm 5;
  my $said = connect($s, sockaddr_in($port, $address)) ? "connected" : $!{EHOSTUNREACH} ? "filtered" : "refused";
  print "$host $port $said\n";
  exit;
}
1 while wait > 0;
