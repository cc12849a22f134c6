# Sisimai as a worker of bench/reading.py: the same commands on standard input and the same answers as bench/_readers.py.
#
# Each argument is a file that lists messages, a path a line. They are read before anything is timed. Then each line of standard
# input is the number of a list, and the answer is one line: messages that gave a result, CPU seconds, elapsed seconds.
# Sisimai->make parses a message and decides its reason, for each recipient; nothing is dumped, nothing is written.
use strict;
use warnings;
use Sisimai;
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID CLOCK_MONOTONIC);

my @lists = map { [map { content_of($_) } lines_of($_)] } @ARGV;
$| = 1;
while (defined(my $number = <STDIN>)) {
    my ($cpu, $elapsed) = (clock_gettime(CLOCK_PROCESS_CPUTIME_ID), clock_gettime(CLOCK_MONOTONIC));
    my $found = 0;
    for my $content (@{$lists[$number]}) {
        my $copy = $content; # it is given a reference, and what it is given may change
        my $results = eval { Sisimai->make(\$copy, 'delivered' => 1) };
        $found++ if $results && @$results;
    }
    printf "%d %.6f %.6f\n", $found, clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $cpu, clock_gettime(CLOCK_MONOTONIC) - $elapsed;
}

sub lines_of {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!";
    chomp(my @lines = <$file>);
    return @lines;
}

sub content_of {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar <$file>;
}
