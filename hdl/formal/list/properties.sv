// kvcpu_list: sorted, no item twice, and its head is the best of all that was offered since `clear` and not popped.
//
//   offers ─┬─► dut ──► head        One item, any one, is watched: `live` says whether it was offered since the last
//           └► live                 clear and not popped since. It is in the list, or beyond the bound.
//
// The watched item stands for all: the solver chooses it. The list keeps items inverted; here they are not.

module formal(
    input wire clock,
    input wire reset,
    input wire clear,
    input wire finish,
    input wire pop,
    input wire offer,
    input wire [31:0] rank,
    input wire [16:0] index,
    input wire [7:0] position
);
    wire head_valid;
    wire [31:0] head_rank;
    wire [16:0] head_index;
    wire bounded;
    wire [31:0] bound_rank;
    wire [48:0] last_item;
    wire [7:0] count;
    wire [48:0] shown;

    kvcpu_list dut(
        .clock(clock), .reset(reset),
        .clear(clear), .finish(finish), .pop(pop), .offer(offer), .rank(rank), .index(index),
        .head_valid(head_valid), .head_rank(head_rank), .head_index(head_index),
        .bounded(bounded), .bound_rank(bound_rank),
        .last_item(last_item), .count(count), .position(position), .shown(shown)
    );

    // Registers of the design, joined by proof.toml.
    (* keep *) wire [16*49-1:0] cells;

    (* anyconst *) reg [48:0] watched;
    reg live = 0;
    reg popped = 0;
    reg started = 0;
    wire [48:0] head = {head_rank, head_index};
    wire offered = offer & !clear & !finish & !pop & {rank, index} == watched;

    always @(posedge clock) begin
        started <= 1;
        if (offered) live <= 1;
        if (pop & !clear & !finish) popped <= 1;
        if (pop & !clear & !finish & head_valid & head == watched) live <= 0;
        if (reset | clear) begin
            live <= 0;
            popped <= 0;
        end
    end

    // What is in the list.
    reg sorted;
    reg [7:0] used;
    reg [48:0] at_position;
    integer i;
    always @(*) begin
        sorted = 1;
        used = 0;
        at_position = 0;
        for (i = 0; i < 16; i = i + 1) begin
            if (i < 15)
                if (cells[49*i +: 49] <= cells[49*(i+1) +: 49] && cells[49*(i+1) +: 49] != 0) sorted = 0;
            if (cells[49*i +: 49] != 0) used = used + 1;
            if (position == i) at_position = cells[49*i +: 49];
        end
    end

    reg [48:0] wanted = 0;
    always @(posedge clock) wanted <= reset ? 0 : at_position;

    always @(*) begin
        if (!started) assume (reset);
        // No entry has the highest index: an empty cell looks like it.
        assume (index != 17'h1ffff);
        assume (watched[16:0] != 17'h1ffff);
        // The list compares items and does nothing else with them: items that differ in few bits stand for all.
        assume (rank[31:5] == 0 & index[16:3] == 0 & watched[48:22] == 0 & watched[16:3] == 0);
        // A sweep does not end on a list that was popped since it began.
        assume (!(finish & popped));
        if (started) begin
            // What users of the list rely on.
            least: assert (!(live & head_valid) | head <= watched);
            only_offered_once: assert (!(head_valid & head == watched) | live);
            kept: assert (!live | head_valid | (bounded & watched[48:17] >= bound_rank));
            counted: assert (count == used && head_valid == (count != 0));
            last_one: assert ((last_item != 0) == (count == 16));
            look: assert (shown == wanted);
            in_order: assert (sorted);
        end
        sorted_in: cover (started & count == 3 & live & popped);
    end
endmodule
