// kvcpu_lookup: a look-up answers the first slot, in find order, that is in use and holds its key, with what was last
// written there; none if no slot does; six clocks later, one a clock in which nothing is written or read. A read answers
// the key that was last written to the slot, three clocks later.
//
//   look-ups, reads, writes ─┬─► dut ────────────────► answer    One key is watched: `holds` says which of its 16
//                            └► holds ─► six clocks ─► expected  legal slots hold it: 2 buckets of 4 ways, the stash of 8.
//
// The watched key stands for all: keys are hashed and compared and nothing else, and the solver chooses its hash and all
// other keys. It also chooses which of the key's slots is looked at for the place, and is read.
// A key is written in three parts, so the model knows of each slot which parts are the watched key's, and whether it is in use.
// A RAM keeps one word, that of the watched key, and that of a way its words of both buckets; others are read as
// anything, so they may hold what they like.

`ifdef INDUCTION
`define FIRST 0
`else
// Where a counterexample is looked for, clearing begins two buckets before the end, and there is no second reset.
`define FIRST 254
`endif

module formal(
    input wire clock,
    input wire reset,
    input wire in_valid,
    input wire [63:0] tag,
    input wire [15:0] request,
    input wire [7:0] tenant,
    input wire [16:0] slot,
    input wire [2:0] write,
    input wire [31:0] write_data,
    input wire [1:0] write_state,
    input wire [1:0] write_tier,
    input wire [15:0] write_frame,
    input wire read
);
    wire ready;
    wire [31:0] hash;
    wire [7:0] bucket0;
    wire [7:0] bucket1;
    wire [63:0] out_tag;
    wire [23:0] out_id;
    wire out_valid;
    wire hit;
    wire [16:0] index;
    wire [1:0] state;
    wire [1:0] tier;
    wire [15:0] frame;

    kvcpu_lookup dut(
        .clock(clock), .reset(reset), .ready(ready),
        .in_valid(in_valid), .tag(tag), .request(request), .tenant(tenant),
        .hash(hash), .bucket0(bucket0), .bucket1(bucket1),
        .slot(slot), .write(write), .write_data(write_data),
        .write_state(write_state), .write_tier(write_tier), .write_frame(write_frame),
        .read(read), .out_tag(out_tag), .out_id(out_id),
        .out_valid(out_valid), .hit(hit), .index(index), .state(state), .tier(tier), .frame(frame)
    );

    // Of the modules below and of the design, joined by proof.toml: the watched key and its hash; what the RAMs watch.
    (* keep *) wire [87:0] key;
    (* keep *) wire [31:0] key_hash;
    (* keep *) wire [31:0] way_addresses0;
    (* keep *) wire [31:0] way_addresses1;
    (* keep *) wire [4*89-1:0] way_words0;
    (* keep *) wire [4*89-1:0] way_words1;
    (* keep *) wire [8*89-1:0] stash_words;
    (* keep *) wire [3:0] stash_lo_address;
    (* keep *) wire [3:0] stash_hi_address;
    (* keep *) wire [3:0] stash_id_address;
    (* keep *) wire [31:0] stash_lo_word;
    (* keep *) wire [31:0] stash_hi_word;
    (* keep *) wire [23:0] stash_id_word;
    (* keep *) wire [9:0] place_address;
    (* keep *) wire [19:0] place_word;
    (* keep *) wire [3:0] stash_place_address;
    (* keep *) wire [19:0] stash_place_word;
    (* keep *) wire [7:0] count;
    // Registers of stages 1 to 5; the writes of stages 1 to 4, stage 1 lowest.
    (* keep *) wire [87:0] key1;
    (* keep *) wire turn1;
    (* keep *) wire fill1;
    (* keep *) wire [7:0] bucket1_1;
    (* keep *) wire [16:0] index1;
    (* keep *) wire of_stash1;
    (* keep *) wire [2:0] words1;
    (* keep *) wire [3:0] ways1;
    (* keep *) wire [7:0] slots1;
    (* keep *) wire [31:0] data1;
    (* keep *) wire used1;
    (* keep *) wire [1:0] reading;
    (* keep *) wire [3:0] valid;
    (* keep *) wire valid5;
    (* keep *) wire [87:0] key2;
    (* keep *) wire [4*89-1:0] a_kept;
    (* keep *) wire [4*89-1:0] b_kept;
    (* keep *) wire [87:0] stash_kept;
    (* keep *) wire [7:0] b0_2;
    (* keep *) wire [7:0] b1_2;
    (* keep *) wire [87:0] read3;
    (* keep *) wire [7:0] b0_3;
    (* keep *) wire [7:0] b1_3;
    (* keep *) wire [7:0] bank_same;
    (* keep *) wire [7:0] stash_same;
    (* keep *) wire [7:0] bank_match;
    (* keep *) wire [1:0] bank_any;
    (* keep *) wire [7:0] stash_match;
    (* keep *) wire [7:0] b0_4;
    (* keep *) wire [7:0] b1_4;
    (* keep *) wire hit5;
    (* keep *) wire in_stash5;
    (* keep *) wire [16:0] found5;
    (* keep *) wire [19:0] place_read;
    (* keep *) wire [19:0] stash_place_read;
    (* keep *) wire [3:0] writing;
    (* keep *) wire [4*17-1:0] write_indexes;
    (* keep *) wire [4*20-1:0] write_places;

    // The key's buckets, and its slots in find order.
    wire [7:0] b0 = key_hash[7:0];
    wire [7:0] b1 = key_hash[23:16] == b0 ? b0 ^ 8'h1 : key_hash[23:16];
    wire [16*17-1:0] slots;
    genvar g;
    generate
        for (g = 0; g < 4; g = g + 1) begin
            assign slots[17*g +: 17] = {b0, 2'b00} + g;
            assign slots[17*(4+g) +: 17] = {b1, 2'b00} + g;
        end
        for (g = 0; g < 8; g = g + 1) assign slots[17*(8+g) +: 17] = 17'd1024 + g;
    endgenerate

    // The slot that is looked at.
    (* anyconst *) reg [3:0] looked_at;
    wire [16:0] looked_at_slot = looked_at[3] ? 17'd1024 + looked_at[2:0] : {looked_at[2] ? b1 : b0, looked_at[1:0]};

    // The model: which slots are in use, and in which the first, the second and the third part of the key are the watched
    // key's; of the slot that is looked at, the key and what else was last written.
    reg [15:0] used = 0;
    reg [15:0] low = 0;
    reg [15:0] high = 0;
    reg [15:0] id = 0;
    reg [87:0] kept = 0;
    reg [19:0] place = 0;
    reg [8:0] since = `FIRST;
    reg started = 0;
    // Of the last six clocks, the latest lowest: a look-up, of the watched key, the slots that held it, the place.
    reg [5:0] asked = 0;
    reg [5:0] ours = 0;
    reg [6*16-1:0] held = 0;
    reg [6*20-1:0] places = 0;
    // Clocks since the slot that is looked at was read, up to 3; 0 if it was not, or another was since, or one was written.
    reg [1:0] read_since = 0;

    wire writes = ready & write != 0;
    wire reads = ready & read & write == 0;
    wire [15:0] holds = used & low & high & id;
    reg [15:0] to;
    reg [15:0] used_now;
    reg [15:0] low_now;
    reg [15:0] high_now;
    reg [15:0] id_now;
    reg [87:0] kept_now;
    reg [19:0] place_now;
    integer i;
    always @(*) begin
        to = 0;
        for (i = 0; i < 16; i = i + 1) to[i] = writes & slot == slots[17*i +: 17];
        {used_now, low_now, high_now, id_now, kept_now, place_now} = {used, low, high, id, kept, place};
        if (write[0]) begin
            used_now = write_state != 0 ? used | to : used & ~to;
            low_now = write_data == key[31:0] ? low | to : low & ~to;
        end
        if (write[1]) high_now = write_data == key[63:32] ? high | to : high & ~to;
        if (write[2]) id_now = write_data[23:0] == key[87:64] ? id | to : id & ~to;
        if (writes & slot == looked_at_slot) begin
            if (write[0]) kept_now[31:0] = write_data;
            if (write[1]) kept_now[63:32] = write_data;
            if (write[2]) kept_now[87:64] = write_data[23:0];
            if (write[0]) place_now = {write_state, write_tier, write_frame};
        end
    end

    always @(posedge clock) begin
        started <= 1;
        {used, low, high, id, kept, place} <= {used_now, low_now, high_now, id_now, kept_now, place_now};
        if (since != 256) since <= since + 1;
        asked <= {asked, in_valid & ready & !writes & !reads};
        ours <= {ours, {tenant, request, tag} == key};
        held <= {held, used_now & low_now & high_now & id_now};
        places <= {places, place_now};
        if (reads & slot == looked_at_slot) read_since <= 1;
        else if (reads | writes) read_since <= 0;
        else if (read_since != 0 & read_since != 3) read_since <= read_since + 1;
        if (reset) begin
            {used, low, high, id, kept} <= 0;
            since <= `FIRST;
            asked <= 0;
            read_since <= 0;
        end
    end

    // The first of these slots.
    function [16:0] first_of(input [15:0] which);
        integer j;
        begin
            first_of = 0;
            for (j = 15; j >= 0; j = j - 1) if (which[j]) first_of = slots[17*j +: 17];
        end
    endfunction

    // What is to come out, if it is the watched key that was looked up.
    wire answers = out_valid & ours[5];
    wire [15:0] found = held[5*16 +: 16];

`ifdef INDUCTION
    // What the RAMs and the stash hold when the write in stage 1 has been done, and the place when those from a stage on have.
    reg [16*89-1:0] after;
    reg [87:0] read_after;
    reg [15:0] written1;
    reg [4*20-1:0] place_after;
    reg [19:0] newest;
    always @(*) begin
        after = {{8{89'b0}}, way_words1, way_words0};
        for (i = 0; i < 8; i = i + 1) begin
            after[89*(8+i) +: 89] = stash_words[89*(7-i) +: 89];
            written1[i] = ways1[i[1:0]] & bucket1_1 == (i < 4 ? b0 : b1);
            written1[8+i] = slots1[7-i];
        end
        for (i = 0; i < 16; i = i + 1) if (written1[i]) begin
            if (words1[0]) {after[89*i+88], after[89*i +: 32]} = {used1, data1};
            if (words1[1]) after[89*i+32 +: 32] = data1;
            if (words1[2]) after[89*i+64 +: 24] = data1[23:0];
        end
        read_after = {stash_id_word, stash_hi_word, stash_lo_word};
        if ((of_stash1 | fill1) & index1[3:0] == looked_at[2:0]) begin
            if (words1[0]) read_after[31:0] = data1;
            if (words1[1]) read_after[63:32] = data1;
            if (words1[2]) read_after[87:64] = data1[23:0];
        end
        newest = looked_at[3] ? stash_place_word : place_word;
        for (i = 3; i >= 0; i = i - 1) begin
            if (writing[i] & write_indexes[17*i +: 17] == looked_at_slot) newest = write_places[20*i +: 20];
            place_after[20*i +: 20] = newest;
        end
    end
`endif

    always @(*) begin
        if (!started) assume (reset);
        // Only slots that there are, are written and read.
        assume (slot < 17'd1032);
        // What is watched is the watched key's.
        assume (way_addresses0 == {4{b0}} & way_addresses1 == {4{b1}});
        assume (looked_at[3] | place_address == looked_at_slot[9:0]);
        assume (!looked_at[3] | stash_place_address == looked_at[2:0]);
        assume (!looked_at[3] | {stash_lo_address, stash_hi_address, stash_id_address} == {3{1'b0, looked_at[2:0]}});
        if (started) begin
            // What users of the look-up rely on.
            in_time: assert (out_valid == asked[5]);
            opens: assert (ready == (since == 256));
            none: assert (!(answers & found == 0) | !hit);
            found_first: assert (!(answers & found != 0) | (hit & index == first_of(found)));
            its_place: assert (!(answers & hit & index == looked_at_slot) | {state, tier, frame} == places[5*20 +: 20]);
            nothing: assert (hit | {index, state, tier, frame} == 0);
            silent: assert (out_valid | !hit);
            its_buckets: assert (!ours[0] | (hash == key_hash & bucket0 == b0 & bucket1 == b1));
            two_buckets: assert (bucket0 != bucket1);
            its_key: assert (read_since != 3 | {out_id, out_tag} == kept);
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (since <= 256);
            assert (ready | (count == since[7:0] & {used, low, high, id, kept} == 0 & asked == 0 & read_since == 0));
            assert (ready | words1 == 0 | (words1 == 7 & ways1 == 15 & slots1 == 0 & data1 == 0 & !used1 & fill1));
            assert ({valid5, valid} == asked[4:0]);
            assert (turn1 | words1 == 0);
            assert (!asked[0] | (!turn1 & words1 == 0));
            assert ((asked[3:0] & writing) == 0);
            // 1: RAM and stash, and the write before them, are the model's.
            assert (!asked[0] | ((key1 == key) == ours[0] & held[15:0] == holds));
            for (i = 0; i < 16; i = i + 1) if (i >= 8 | ready | count > (i < 4 ? b0 : b1)) begin
                assert (after[89*i+88] == used[i]);
                assert ((after[89*i +: 32] == key[31:0]) == low[i]);
                assert ((after[89*i+32 +: 32] == key[63:32]) == high[i]);
                assert ((after[89*i+64 +: 24] == key[87:64]) == id[i]);
                if (i < 8 & looked_at == i) assert (after[89*i +: 88] == kept);
            end
            if (looked_at[3] & (ready | count > looked_at[2:0])) assert (read_after == kept);
            for (i = 0; i < 4; i = i + 1) begin
                assert (write_indexes[17*i +: 17] < 17'd1032);
                assert (!(asked[i] & held[16*i+looked_at]) | place_after[20*i +: 20] == places[20*i +: 20]);
            end
            assert (!used[looked_at] | place_after[19:0] == place);
            // Reading.
            if (read_since != 0) begin
                assert (index1 == looked_at_slot & of_stash1 == looked_at[3] & words1 == 0 & !fill1);
                assert (turn1 == (read_since == 1) & reading[0] == (read_since == 1));
            end
            if (read_since == 1) assert (bucket1_1 == looked_at_slot[9:2] | looked_at[3]);
            if (read_since == 2) begin
                assert (reading[1]);
                for (i = 0; i < 4; i = i + 1)
                    if (!looked_at[3] & looked_at[1:0] == i) assert (a_kept[89*i +: 88] == kept);
            end
            if (read_since == 3) assert (!reading[1] & (looked_at[3] | read3 == kept));
            if (read_since >= 2) assert (!looked_at[3] | stash_kept == kept);
            // 2: what was read.
            if (asked[1] & ours[1]) begin
                assert (key2 == key & b0_2 == b0 & b1_2 == b1);
                for (i = 0; i < 4; i = i + 1) begin
                    assert ((a_kept[89*i +: 89] == {1'b1, key}) == held[16+i]);
                    assert ((b_kept[89*i +: 89] == {1'b1, key}) == held[16+4+i]);
                end
                // What was written since is not in what was read, but in the stash.
                for (i = 0; i < 8; i = i + 1)
                    assert ((stash_words[89*(7-i) +: 89] == {1'b1, key}) == held[16+8+i]);
            end
            // 3: comparisons.
            if (asked[2] & ours[2]) begin
                assert (b0_3 == b0 & b1_3 == b1);
                for (i = 0; i < 8; i = i + 1) begin
                    assert (bank_same[i] == held[2*16+i]);
                    assert (stash_same[7-i] == held[2*16+8+i]);
                end
            end
            // 4: matches.
            if (asked[3] & ours[3]) begin
                assert (b0_4 == b0 & b1_4 == b1);
                for (i = 0; i < 8; i = i + 1) begin
                    assert (bank_match[i] == held[3*16+i]);
                    assert (stash_match[7-i] == held[3*16+8+i]);
                end
            end
            assert (bank_any == {bank_match[7:4] != 0, bank_match[3:0] != 0});
            assert (asked[3] | (bank_match == 0 & stash_match == 0));
            // 5: the slot, and its place.
            if (asked[4] & ours[4]) begin
                assert (hit5 == (held[4*16 +: 16] != 0));
                assert (found5 == first_of(held[4*16 +: 16]));
                if (hit5 & found5 == looked_at_slot)
                    assert ((in_stash5 ? stash_place_read : place_read) == places[4*20 +: 20]);
            end
            assert (hit5 ? asked[4] & in_stash5 == found5[10] : !in_stash5 & found5 == 0);
`endif
        end
`ifndef INDUCTION
        // The buckets that are cleared then.
        assume (b0 >= 8'hfe & b1 >= 8'hfe);
        assume (reset == !started);
`endif
        in_a_bucket: cover (started & answers & hit & index == slots[17*6 +: 17] & looked_at == 6 & state == 2);
        in_the_stash: cover (started & answers & hit & index == 17'd1028 & looked_at == 12 & frame == 16'h1234);
        forgotten: cover (started & answers & !hit & held[15:0] != 0);
        twice: cover (started & answers & found == 16'h0120);
        read_back: cover (started & read_since == 3 & looked_at == 5 & {out_id, out_tag} == key);
    end
endmodule

// A RAM of which one word is kept, any one. The others, and a word that is written as it is read, are read as anything.
module watched_ram #(parameter A = 1, parameter D = 1) (
    input wire clock,
    input wire [A-1:0] read_address,
    output reg [D-1:0] read_data,
    input wire [A-1:0] write_address,
    input wire [D-1:0] write_data,
    input wire write_enable
);
    (* anyconst *) reg [A-1:0] watched;
    (* anyseq *) reg [D-1:0] anything;
`ifdef INDUCTION
    reg [D-1:0] word;
    wire began = 1;
`else
    // The stash's keys are cleared beside the buckets that are left out.
    reg [D-1:0] word = 0;
    reg began = 0;
    always @(posedge clock) began <= 1;
`endif
    wire written = write_enable & write_address == watched & began;
    always @(posedge clock) begin
        read_data <= read_address == watched & !written ? word : anything;
        if (written) word <= write_data;
    end
endmodule

`define WATCHED(NAME, A, D) \
    module NAME ( \
        input wire clock, input wire [A-1:0] read_address, output wire [D-1:0] read_data, \
        input wire [A-1:0] write_address, input wire [D-1:0] write_data, input wire write_enable \
    ); \
        watched_ram #(A, D) ram(.clock(clock), \
            .read_address(read_address), .read_data(read_data), \
            .write_address(write_address), .write_data(write_data), .write_enable(write_enable)); \
    endmodule

`WATCHED(kvcpu_lookup$keys$stash_lo, 4, 32)
`WATCHED(kvcpu_lookup$keys$stash_hi, 4, 32)
`WATCHED(kvcpu_lookup$keys$stash_id, 4, 24)
`WATCHED(kvcpu_lookup$places, 10, 20)
`WATCHED(kvcpu_lookup$stash_places, 4, 20)

// The keys of a way, of which two are kept, any two. The others, and in the clock of a write all, are read as anything.
module watched_keys (
    input wire clock,
    input wire [7:0] a_address,
    output reg [88:0] a_kept,
    input wire [7:0] b_address,
    output reg [88:0] b_kept,
    input wire [2:0] write,
    input wire [88:0] data
);
    (* anyconst *) reg [7:0] watched0;
    (* anyconst *) reg [7:0] watched1;
    (* anyseq *) reg [88:0] anything_a;
    (* anyseq *) reg [88:0] anything_b;
    reg [88:0] word0;
    reg [88:0] word1;
    wire [88:0] mask = {write[0], {24{write[2]}}, {32{write[1]}}, {32{write[0]}}};
    always @(posedge clock) begin
        a_kept <= write != 0 ? anything_a : a_address == watched0 ? word0 : a_address == watched1 ? word1 : anything_a;
        b_kept <= write != 0 ? anything_b : b_address == watched0 ? word0 : b_address == watched1 ? word1 : anything_b;
        if (a_address == watched0) word0 <= word0 & ~mask | data & mask;
        if (a_address == watched1) word1 <= word1 & ~mask | data & mask;
    end
endmodule

`define WATCHED_KEYS(NAME) \
    module NAME ( \
        input wire clock, input wire [7:0] a_address, output wire [88:0] a_kept, \
        input wire [7:0] b_address, output wire [88:0] b_kept, input wire [2:0] write, input wire [88:0] data \
    ); \
        watched_keys ram(.clock(clock), .a_address(a_address), .a_kept(a_kept), \
            .b_address(b_address), .b_kept(b_kept), .write(write), .data(data)); \
    endmodule

`WATCHED_KEYS(kvcpu_lookup$keys$ways$0)
`WATCHED_KEYS(kvcpu_lookup$keys$ways$1)
`WATCHED_KEYS(kvcpu_lookup$keys$ways$2)
`WATCHED_KEYS(kvcpu_lookup$keys$ways$3)

// The count of the buckets that were cleared: the design's own, but for where it begins.
module kvcpu_lookup$keys$count(input wire clock, input wire reset, input wire [7:0] d, output reg [7:0] q);
    always @(posedge clock) q <= reset ? `FIRST : d;
endmodule

// A hash, any one: what it gives for the watched key is always the same, for other keys it is anything.
module kvcpu_lookup$keys$h3(
    input wire clock,
    input wire [63:0] tag,
    input wire [15:0] request,
    input wire [7:0] tenant,
    output reg [31:0] hash,
    output reg same
);
`ifdef INDUCTION
    wire [87:0] watched = 88'h0123456789abcdef5a6996;
`else
    // Its parts are alike, so that one write enters it.
    wire [87:0] watched = 88'h5a6996c35a6996c35a6996;
`endif
    (* anyconst *) reg [31:0] watched_hash;
    (* anyseq *) reg [31:0] anything;
    wire [31:0] next = {tenant, request, tag} == watched ? watched_hash : anything;
    always @(posedge clock) begin
        hash <= next;
        same <= next[7:0] == next[23:16];
    end
endmodule
