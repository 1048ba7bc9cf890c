# Arguments: name or address, port, and so on, all tried at once. Our own filter's refusal is one that no closed port
# gives (Linux has one error for it in each address family); an answer, a refusal or silence from elsewhere means that the
# filter let the attempt out.
use strict; use Socket qw(:DEFAULT getaddrinfo AF_INET6); use Errno;
while (my ($host, $port) = splice @ARGV, 0, 2) {
  next if fork;
  my ($unknown, $to) = getaddrinfo($host, $port, {socktype => SOCK_STREAM});
  $unknown and do { print "$host $port unknown\n"; exit };
  socket(my $s, $to->{family}, SOCK_STREAM, 0) or die;
  $SIG{ALRM} = sub { print "$host $port silence\n"; exit };
  alarm 5;
  my $filtered = $to->{family} == AF_INET6 ? "EACCES" : "EHOSTUNREACH";
  my $said = connect($s, $to->{addr}) ? "connected" : $!{$filtered} ? "filtered" : "refused";
  print "$host $port $said\n";
  exit;
}
1 while wait > 0;
