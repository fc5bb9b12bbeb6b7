// A DMA channel: done is told only after the last answer. `done` is what becomes a completion at the bus registers.
//
//   descriptor ──► dut ──► bursts ──► bus         Counters of the bursts that were taken and not answered, and of
//        done ◄──       ◄── last beats, answers   the words that were to come and came.
//
// The words themselves do not matter here: the FIFO's RAM and the CRC give any words.

module kvcpu_dma$channels$0$fifo$ram(
    input wire clock,
    input wire [8:0] read_address,
    output wire [63:0] read_data,
    input wire [8:0] write_address,
    input wire [63:0] write_data,
    input wire write_enable
);
    (* anyseq *) reg [63:0] any;
    assign read_data = any;
endmodule

module kvcpu_dma$channels$0$crc(
    input wire clock,
    input wire start,
    input wire valid,
    input wire [63:0] data,
    output wire [31:0] state
);
    (* anyseq *) reg [31:0] any;
    assign state = any;
endmodule

module formal(
    input wire clock,
    input wire reset,
    input wire stop,
    input wire bus_master,
    input wire write,
    input wire [2:0] select,
    input wire [31:0] data,
    input wire done_ready,
    input wire take_read,
    input wire take_write,
    input wire word_taken,
    input wire [63:0] in_data,
    input wire answer_read,
    input wire answer_last,
    input wire answer_error,
    input wire answer_write,
    input wire write_error
);
    wire idle;
    wire [4:0] room;
    wire done;
    wire [15:0] done_id;
    wire [2:0] done_result;
    wire [31:0] done_crc;
    wire read_host;
    wire read_card;
    wire [63:0] read_address;
    wire [6:0] read_beats;
    wire write_host;
    wire write_card;
    wire [63:0] write_address;
    wire [6:0] write_beats;
    wire [63:0] word;

    // A master takes what is asked for, and says so in the next clock. Which bus a burst is on, the model remembers.
    reg read_taken = 0;
    reg write_taken = 0;
    reg reading_card = 0;
    reg writing_card = 0;

    kvcpu_dma$channels$0 dut(
        .clock(clock), .reset(reset), .stop(stop), .bus_master(bus_master), .idle(idle),
        .write(write), .select(select), .data(data), .room(room),
        .done(done), .done_ready(done_ready), .done_id(done_id), .done_result(done_result), .done_crc(done_crc),
        .read_host(read_host), .read_card(read_card), .read_address(read_address), .read_beats(read_beats),
        .read_taken(read_taken),
        .write_host(write_host), .write_card(write_card), .write_address(write_address), .write_beats(write_beats),
        .write_taken(write_taken),
        .word(word), .word_taken(word_taken),
        .host_in_valid(answer_read & !reading_card), .host_in_data(in_data), .host_in_error(answer_error),
        .host_in_last(answer_last), .host_written(answer_write & !writing_card), .host_written_error(write_error),
        .card_in_valid(answer_read & reading_card), .card_in_data(in_data), .card_in_error(answer_error),
        .card_in_last(answer_last), .card_written(answer_write & writing_card), .card_written_error(write_error)
    );

    // Registers of the design, joined by proof.toml.
    (* keep *) wire [2:0] state;
    (* keep *) wire begins;
    (* keep *) wire turns;
    (* keep *) wire ends;
    (* keep *) wire [2:0] error;
    (* keep *) wire [5:0] reads;
    (* keep *) wire [5:0] writes;
    (* keep *) wire r_valid;
    (* keep *) wire r_last;
    (* keep *) wire r_error;
    (* keep *) wire from_card;
    (* keep *) wire to_card;
    (* keep *) wire read_ready;
    (* keep *) wire write_ready;
    (* keep *) wire read_valid;
    (* keep *) wire write_valid;
    (* keep *) wire read_more;
    (* keep *) wire write_more;

    reg started = 0;
    reg [5:0] open_reads = 0;
    reg [5:0] open_writes = 0;
    // Since the descriptor began: an answer was an error; a burst was read of what was written.
    reg bad = 0;
    reg stopping = 0;
    reg back = 0;
    wire reading = (read_host | read_card) & !read_taken & take_read;
    wire writing = (write_host | write_card) & !write_taken & take_write;

    always @(posedge clock) begin
        started <= 1;
        stopping <= stop & !idle & !reset;
        read_taken <= reading;
        write_taken <= writing;
        if (reading) reading_card <= read_card;
        if (writing) writing_card <= write_card;
        open_reads <= open_reads + reading - (answer_read & answer_last);
        open_writes <= open_writes + writing - answer_write;
        if ((answer_read & answer_error) | (answer_write & write_error)) bad <= 1;
        if (state == 2 & reading) back <= 1;
        if (done & done_ready) begin
            bad <= 0;
            back <= 0;
        end
        if (reset) begin
            read_taken <= 0;
            write_taken <= 0;
            open_reads <= 0;
            open_writes <= 0;
            bad <= 0;
            back <= 0;
        end
    end

    wire [5:0] told_reads = open_reads - read_taken + (r_valid & r_last);
    wire [5:0] told_writes = open_writes - write_taken;

    always @(*) begin
        if (!started) assume (reset);
        // Once begun, stopping goes on until the channel is idle.
        assume (!stopping | stop);
        // The buses answer what was asked for, no more; a burst's answer comes after the clock in which it is taken,
        // and no more than 31 bursts are read at once (512 words of room, and a run's first and last may be short).
        assume (!answer_read | open_reads != 0);
        assume (!answer_write | open_writes != 0);
        assume (open_reads < 31);
        if (started) begin
            // A completion means that nothing of its descriptor is on its way.
            acknowledged: assert (!done | open_writes == 0);
            all_read: assert (!done | open_reads == 0);
            idle_is_quiet: assert (!idle | (open_reads == 0 & open_writes == 0));
            // What is read back was written before, all of it.
            written_first: assert (state != 2 | open_writes == 0);
            good_is_whole: assert (!(done & done_result == 0) | !bad);
            good_is_all: assert (!(done & done_result == 0 & !stop) | (!read_more & !write_more));
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (reads == told_reads);
            assert (writes == told_writes);
            assert (!(read_ready | read_taken) | read_valid);
            assert (!(write_ready | write_taken) | write_valid);
            assert ((!read_valid | read_more) & (!write_valid | write_more));
            assert (!r_valid | reads != 0);
            assert (!(bad & (state == 1 | state == 2)) | error != 0 | (r_valid & r_error));
            assert (!(state == 3 & error == 0) | stop | (!read_more & !write_more));
            assert (!(bad & state == 3) | error != 0);
            assert (!(bad & state == 4) | done_result != 0);
            assert (!(bad & state == 0));
            assert (open_writes <= 33);
            assert (state <= 4);
            assert (!begins | state == 0);
            assert (!(turns | ends) | (reads == 0 & writes == 0 & !read_taken & !write_taken));
            assert (!turns | (state == 1 & !ends & error == 0 & !read_more & !write_more));
            assert (!ends | state == 1 | state == 2);
            assert (!ends | stop | error != 0 | (state == 2 & !read_more & !write_more));
            assert (state == 1 | state == 2 | (reads == 0 & writes == 0 & !read_taken & !write_taken));
            assert (state != 2 | (writes == 0 & !write_taken & !write_more));
            assert (open_reads == 0 | from_card == reading_card);
            assert (open_writes == 0 | to_card == writing_card);
`endif
        end
        back_again: cover (started & done & done_result == 0 & back);
    end
endmodule
