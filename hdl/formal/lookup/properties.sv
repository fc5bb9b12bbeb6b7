// kvcpu_lookup: a look-up answers the first slot, in find order, that holds its key, with what was last written there;
// none if no slot does; six clocks later, one a clock.
//
//   look-ups, writes ─┬─► dut ────────────────► answer      One key is watched: `holds` says which of its 16
//                     └► holds ─► six clocks ─► expected    legal slots hold it: 2 buckets of 4 ways, the stash of 8.
//
// The watched key stands for all: keys are hashed and compared and nothing else, and the solver chooses its hash and all
// other keys. It also chooses which of the key's slots is looked at for the place.
// A RAM keeps one word, that of the watched key; its others are read as anything, so they may hold what they like.

`ifdef INDUCTION
`define FIRST 0
`else
// Where a counterexample is looked for, clearing begins four buckets before the last.
`define FIRST 252
`endif

module formal(
    input wire clock,
    input wire reset,
    input wire in_valid,
    input wire [63:0] tag,
    input wire [15:0] request,
    input wire [7:0] tenant,
    input wire write,
    input wire [16:0] write_index,
    input wire [63:0] write_tag,
    input wire [15:0] write_request,
    input wire [7:0] write_tenant,
    input wire [1:0] write_state,
    input wire [1:0] write_tier,
    input wire [15:0] write_frame
);
    wire ready;
    wire [31:0] hash;
    wire [7:0] bucket0;
    wire [7:0] bucket1;
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
        .write(write), .write_index(write_index),
        .write_tag(write_tag), .write_request(write_request), .write_tenant(write_tenant),
        .write_state(write_state), .write_tier(write_tier), .write_frame(write_frame),
        .out_valid(out_valid), .hit(hit), .index(index), .state(state), .tier(tier), .frame(frame)
    );

    // Of the modules below and of the design, joined by proof.toml: the watched key and its hash; what the RAMs watch.
    (* keep *) wire [87:0] key;
    (* keep *) wire [31:0] key_hash;
    (* keep *) wire [63:0] bank_addresses;
    (* keep *) wire [8*89-1:0] bank_words;
    (* keep *) wire [8*89-1:0] stash_words;
    (* keep *) wire [9:0] place_address;
    (* keep *) wire [19:0] place_word;
    (* keep *) wire [3:0] stash_place_address;
    (* keep *) wire [19:0] stash_place_word;
    (* keep *) wire [7:0] count;
    // Registers of stages 1 to 5; the writes of stages 1 to 5, stage 1 lowest.
    (* keep *) wire [87:0] key1;
    (* keep *) wire [88:0] word1;
    (* keep *) wire key_writing;
    (* keep *) wire [16:0] key_index;
    (* keep *) wire [3:0] valid;
    (* keep *) wire valid5;
    (* keep *) wire [87:0] key2;
    (* keep *) wire [88:0] word2;
    (* keep *) wire [8*89-1:0] bank_read;
    (* keep *) wire [3:0] met0_2;
    (* keep *) wire [3:0] met1_2;
    (* keep *) wire [7:0] b0_2;
    (* keep *) wire [7:0] b1_2;
    (* keep *) wire [3:0] met0_3;
    (* keep *) wire [3:0] met1_3;
    (* keep *) wire [7:0] b0_3;
    (* keep *) wire [7:0] b1_3;
    (* keep *) wire word_same;
    (* keep *) wire [7:0] bank_same;
    (* keep *) wire [7:0] stash_same;
    (* keep *) wire [7:0] bank_match;
    (* keep *) wire [7:0] stash_match;
    (* keep *) wire [7:0] b0_4;
    (* keep *) wire [7:0] b1_4;
    (* keep *) wire hit5;
    (* keep *) wire in_stash5;
    (* keep *) wire [16:0] found5;
    (* keep *) wire [19:0] place_read;
    (* keep *) wire [19:0] stash_place_read;
    (* keep *) wire [4:0] writing;
    (* keep *) wire [5*17-1:0] write_indexes;
    (* keep *) wire [5*20-1:0] write_places;

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

    // The model: which slots hold the key, and what was last written to the one that is looked at.
    (* anyconst *) reg [3:0] looked_at;
    reg [15:0] holds = 0;
    reg [19:0] place = 0;
    reg [8:0] since = `FIRST;
    reg started = 0;
    // Of the last six clocks, the latest lowest: a look-up, of the watched key, the slots that held it, the place.
    reg [5:0] asked = 0;
    reg [5:0] ours = 0;
    reg [6*16-1:0] held = 0;
    reg [6*20-1:0] places = 0;

    wire enters = write_state != 0 & {write_tenant, write_request, write_tag} == key;
    reg [15:0] to;
    reg [15:0] holds_now;
    reg [19:0] place_now;
    integer i;
    always @(*) begin
        to = 0;
        for (i = 0; i < 16; i = i + 1) to[i] = write & ready & write_index == slots[17*i +: 17];
        holds_now = enters ? holds | to : holds & ~to;
        place_now = to[looked_at] ? {write_state, write_tier, write_frame} : place;
    end

    always @(posedge clock) begin
        started <= 1;
        holds <= holds_now;
        place <= place_now;
        if (since != 256) since <= since + 1;
        asked <= {asked, in_valid & ready};
        ours <= {ours, {tenant, request, tag} == key};
        held <= {held, holds_now};
        places <= {places, place_now};
        if (reset) begin
            holds <= 0;
            since <= `FIRST;
            asked <= 0;
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
    wire [16:0] looked_at_slot = slots[17*looked_at +: 17];
    wire answers = out_valid & ours[5];
    wire [15:0] found = held[5*16 +: 16];

`ifdef INDUCTION
    // Which slots hold the key when the write in stage 1 has been done, and the place when those from a stage on have.
    reg [15:0] in_use;
    reg [4*20-1:0] place_after;
    reg [19:0] newest;
    wire [7:0] met_2 = {met1_2, met0_2};
    wire [7:0] met_3 = {met1_3, met0_3};
    always @(*) begin
        for (i = 0; i < 8; i = i + 1) begin
            in_use[i] = bank_words[89*i +: 89] == {1'b1, key};
            in_use[8+i] = stash_words[89*(7-i) +: 89] == {1'b1, key};
        end
        for (i = 0; i < 16; i = i + 1)
            if (key_writing & key_index == slots[17*i +: 17]) in_use[i] = word1 == {1'b1, key};
        newest = looked_at[3] ? stash_place_word : place_word;
        for (i = 3; i >= 0; i = i - 1) begin
            if (writing[i] & write_indexes[17*i +: 17] == looked_at_slot) newest = write_places[20*i +: 20];
            place_after[20*i +: 20] = newest;
        end
    end
`endif

    always @(*) begin
        if (!started) assume (reset);
        // Only slots that there are, are written.
        assume (write_index < 17'd1032);
        // What is watched is the watched key's.
        assume (bank_addresses == {{4{b1}}, {4{b0}}});
        assume (looked_at[3] | place_address == looked_at_slot[9:0]);
        assume (!looked_at[3] | stash_place_address == looked_at[2:0]);
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
`ifdef INDUCTION
            // Why it holds: what makes the proof inductive.
            assert (since <= 256);
            assert (ready | (count == since[7:0] & holds == 0 & asked == 0 & !key_writing));
            // 1: RAM and stash, and the write before them, are the model's.
            assert (!asked[0] | ((key1 == key) == ours[0] & held[15:0] == holds));
            assert (key_index < 17'd1032);
            assert ({valid5, valid} == asked[4:0]);
            for (i = 0; i < 8; i = i + 1) begin
                if (ready | count > (i < 4 ? b0 : b1)) assert (in_use[i] == holds[i]);
                assert (in_use[8+i] == holds[8+i]);
            end
            for (i = 0; i < 4; i = i + 1) begin
                assert (write_indexes[17*i +: 17] < 17'd1032);
                assert (!(asked[i] & held[16*i+looked_at]) | place_after[20*i +: 20] == places[20*i +: 20]);
            end
            assert (!holds[looked_at] | place_after[19:0] == place);
            // 2: what was read, or the write beside it.
            if (asked[1] & ours[1]) begin
                assert (key2 == key & b0_2 == b0 & b1_2 == b1);
                for (i = 0; i < 8; i = i + 1) begin
                    assert (((met_2[i] ? word2 : bank_read[89*i +: 89]) == {1'b1, key}) == held[16+i]);
                    assert ((stash_words[89*(7-i) +: 89] == {1'b1, key}) == held[16+8+i]);
                end
            end
            // 3: comparisons.
            if (asked[2] & ours[2]) begin
                assert (b0_3 == b0 & b1_3 == b1);
                for (i = 0; i < 8; i = i + 1) begin
                    assert ((met_3[i] ? word_same : bank_same[i]) == held[2*16+i]);
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
            assert (asked[3] | (bank_match == 0 & stash_match == 0));
            // 5: the slot, and its place.
            if (asked[4] & ours[4]) begin
                assert (hit5 == (held[4*16 +: 16] != 0));
                assert (found5 == first_of(held[4*16 +: 16]));
                if (hit5 & found5 == looked_at_slot)
                    assert ((writing[4] & write_indexes[4*17 +: 17] == found5 ? write_places[4*20 +: 20]
                        : in_stash5 ? stash_place_read : place_read) == places[4*20 +: 20]);
            end
            assert (hit5 ? asked[4] & in_stash5 == found5[10] : !in_stash5 & found5 == 0);
`endif
        end
`ifndef INDUCTION
        // The buckets that are cleared then.
        assume (b0 >= 8'hfc & b1 >= 8'hfc);
`endif
        in_a_bucket: cover (started & answers & hit & index == slots[17*6 +: 17] & looked_at == 6 & state == 2);
        in_the_stash: cover (started & answers & hit & index == 17'd1028 & looked_at == 12 & frame == 16'h1234);
        forgotten: cover (started & answers & !hit & held[15:0] != 0);
        twice: cover (started & answers & found == 16'h0120);
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
    reg [D-1:0] word;
    wire written = write_enable & write_address == watched;
    always @(posedge clock) begin
        read_data <= read_address == watched & !written ? word : anything;
        if (written) word <= write_data;
    end
endmodule

`define WATCHED(NAME, A, D) \
    module NAME ( \
        input wire clock, \
        input wire [A-1:0] read_address, \
        output wire [D-1:0] read_data, \
        input wire [A-1:0] write_address, \
        input wire [D-1:0] write_data, \
        input wire write_enable \
    ); \
        watched_ram #(A, D) ram(.clock(clock), \
            .read_address(read_address), .read_data(read_data), \
            .write_address(write_address), .write_data(write_data), .write_enable(write_enable)); \
    endmodule

`WATCHED(kvcpu_lookup$keys$banks$0, 8, 89)
`WATCHED(kvcpu_lookup$keys$banks$1, 8, 89)
`WATCHED(kvcpu_lookup$keys$banks$2, 8, 89)
`WATCHED(kvcpu_lookup$keys$banks$3, 8, 89)
`WATCHED(kvcpu_lookup$keys$banks$4, 8, 89)
`WATCHED(kvcpu_lookup$keys$banks$5, 8, 89)
`WATCHED(kvcpu_lookup$keys$banks$6, 8, 89)
`WATCHED(kvcpu_lookup$keys$banks$7, 8, 89)
`WATCHED(kvcpu_lookup$places, 10, 20)
`WATCHED(kvcpu_lookup$stash_places, 4, 20)

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
    output reg [31:0] hash
);
    wire [87:0] watched = 88'h0123456789abcdef5a6996;
    (* anyconst *) reg [31:0] watched_hash;
    (* anyseq *) reg [31:0] anything;
    always @(posedge clock) hash <= {tenant, request, tag} == watched ? watched_hash : anything;
endmodule
